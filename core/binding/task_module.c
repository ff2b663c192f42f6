/* core.task: spawn, sleep, deadline and the rest of what a script does with tasks. */
#include "binding/interruption.h"
#include "binding/modules.h"
#include "binding/offload.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "binding/task_handle.h"
#include "io/drain.h"

#include <math.h>

/* task.spawn(f, ...) -> handle: a child of the innermost scope of the running task */
static int spawn(lua_State *L) {
    task_handle_push(L, scope_spawn(L, scope_current(L), 1));
    return 1;
}

static int slept(lua_State *L, int status, lua_KContext context) {
    (void)status, (void)context;
    task_woken(L);
    return 0;
}

/* task.sleep(seconds): 0 lets the other ready tasks have their turn */
static int task_sleep(lua_State *L) {
    lua_Number seconds = support_check_seconds(L, 1, 0);
    struct task *task = task_begin_wait(L, "sleep");
    return task_wait(L, task, loop_update(&task_runtime(task)->loop) + seconds, NULL, NULL, 0, slept);
}

/* task.deadline(seconds, f, ...): what f returns, true when that is nothing; or nil, message, "timeout". Its stack is
 * [1] the deadline around it, [2] its own, [3] message handler. */

enum { DEADLINE_OUTER = 1, DEADLINE_OWN, DEADLINE_HANDLER };

/* In time: a function that returns nothing can be told from a deadline that has passed. */
static int return_in_time(lua_State *L) {
    int results = lua_gettop(L) - DEADLINE_HANDLER;
    if (results > 0) return results;
    lua_pushboolean(L, 1);
    return 1;
}

static int deadline_ended(lua_State *L, int status, lua_KContext context) {
    struct task *task = task_of(L);
    lua_Number own = lua_tonumber(L, DEADLINE_OWN);
    (void)context;
    task->deadline = lua_tonumber(L, DEADLINE_OUTER);
    if (status == LUA_OK || status == LUA_YIELD) return return_in_time(L);
    int passed = interruption_test(L, -1) == INTERRUPTION_DEADLINE && own <= task_runtime(task)->loop.now;
    if (!passed || task->cancelled || scope_is_failing(task)) return lua_error(L);
    return support_fail(L, "timeout", "the deadline has passed");
}

static int task_deadline(lua_State *L) {
    lua_Number seconds = support_check_seconds(L, 1, INFINITY);
    support_check_callable(L, 2);
    struct task *task = task_begin_wait(L, "deadline");
    double own = loop_update(&task_runtime(task)->loop) + seconds;
    lua_pushnumber(L, task->deadline);
    lua_replace(L, 1);
    lua_pushnumber(L, own);
    lua_insert(L, DEADLINE_OWN);
    lua_pushcfunction(L, interruption_message_handler);
    lua_insert(L, DEADLINE_HANDLER);
    if (own < task->deadline) task->deadline = own;
    int arguments = lua_gettop(L) - DEADLINE_HANDLER - 1;
    return deadline_ended(L, lua_pcallk(L, arguments, LUA_MULTRET, DEADLINE_HANDLER, 0, deadline_ended), 0);
}

/* task.now() -> seconds on a clock that never jumps, as of this pass of the loop */
static int task_now(lua_State *L) {
    lua_pushnumber(L, runtime_of(L)->loop.now);
    return 1;
}

/* task.context() -> the value that task.scope was given for the scope which this task belongs to, or nil */
static int task_context(lua_State *L) {
    scope_push_context(L, scope_root(runtime_of(L)->current));
    return 1;
}

/* task.on_failure(function(message, traceback, context)): told of every error that no join and no group gets */
static int task_on_failure(lua_State *L) {
    struct runtime *runtime = runtime_of(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, runtime->on_failure);
    runtime->on_failure = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* task.follow(): the running task, which may be that of a connection, belongs to the newest code of its service, also
 * after reloads */
static int task_follow(lua_State *L) {
    struct task *task = runtime_of(L)->current;
    if (task != &runtime_of(L)->root) scope_mark_live(task);
    return 0;
}

/* task.counts() -> { tasks=, connections=, listeners=, datagrams=, drains=, sending=, handshakes=, refused=,
 * offloads=, durables= }: what is alive */
static int task_counts(lua_State *L) {
    struct runtime *runtime = runtime_of(L);
    const struct {
        const char *name;
        unsigned value;
    } counts[] = {
        {"tasks", runtime->counts.tasks},
        {"connections", runtime->loop.counts.connections},
        {"listeners", runtime->loop.counts.listeners},
        {"datagrams", runtime->loop.counts.datagrams},
        {"drains", runtime->loop.counts.drains},
        {"handshakes", runtime->loop.counts.handshakes},
        {"children", runtime->loop.counts.children},
        {"sending", drain_count_sending(&runtime->loop)},
        {"refused", runtime->loop.counts.refused},
        {"offloads", offloading_count(runtime->offloading)},
        {"durables", runtime->loop.counts.durables},
    };
    lua_createtable(L, 0, 9);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        lua_pushinteger(L, counts[i].value);
        lua_setfield(L, -2, counts[i].name);
    }
    return 1;
}

/* task.totals() -> { accepted=, requests=, datagrams= }: since the start */
static int task_totals(lua_State *L) {
    const struct loop *loop = &runtime_of(L)->loop;
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, (lua_Integer)loop->totals.accepted);
    lua_setfield(L, -2, "accepted");
    lua_pushinteger(L, (lua_Integer)loop->totals.requests);
    lua_setfield(L, -2, "requests");
    lua_pushinteger(L, (lua_Integer)loop->totals.datagrams);
    lua_setfield(L, -2, "datagrams");
    return 1;
}

/* task.trim(): a full collection, and idle memory back to the system */
static int task_trim(lua_State *L) {
    tidy_all(runtime_of(L));
    return 0;
}

/* task.tidy(): there is garbage; it is collected in small steps once the process is quiet */
static int task_tidy(lua_State *L) {
    tidy_soon(runtime_of(L));
    return 0;
}

/* task.is_interruption(value) -> boolean */
static int task_is_interruption(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, interruption_test(L, 1) != INTERRUPTION_NONE);
    return 1;
}

int luaopen_core_task(lua_State *L) {
    static const luaL_Reg functions[] = {{"spawn", spawn},
                                         {"sleep", task_sleep},
                                         {"deadline", task_deadline},
                                         {"now", task_now},
                                         {"context", task_context},
                                         {"on_failure", task_on_failure},
                                         {"follow", task_follow},
                                         {"counts", task_counts},
                                         {"totals", task_totals},
                                         {"trim", task_trim},
                                         {"tidy", task_tidy},
                                         {"is_interruption", task_is_interruption},
                                         {NULL, NULL}};
    interruption_open(L);
    task_handle_open(L);
    luaL_newlib(L, functions);
    scope_open(L);
    waitlist_open(L);
    task_list_open(L);
    offload_open(L);
    return 1;
}
