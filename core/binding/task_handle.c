#include "binding/task_handle.h"
#include "binding/interruption.h"
#include "binding/runtime.h"
#include "binding/support.h"

#include <math.h>
#include <string.h>

static const char CLASS[] = "perigee.task";

static struct task_handle *check_handle(lua_State *L, int argument) {
    return luaL_checkudata(L, argument, CLASS);
}

/* The handle's task. In a finalizer the handle may have been collected before. */
static struct task *check_task(lua_State *L) {
    struct task *task = check_handle(L, 1)->task;
    luaL_argcheck(L, task, 1, "the handle of the task was collected");
    return task;
}

void task_handle_push(lua_State *L, struct task *task) {
    struct task_handle *handle = support_new(L, CLASS, sizeof *handle, 0);
    task_list_init(&handle->joiners);
    handle->task = task;
    task->handle = handle;
}

int task_handle_is_joined(const struct task_handle *handle) {
    return handle->joiners.first != NULL;
}

void task_handle_wake_joiners(struct task_handle *handle) {
    while (handle->joiners.first) {
        struct task *joiner = handle->joiners.first;
        task_list_remove(&handle->joiners, joiner);
        task_schedule(joiner);
    }
}

/* The results that a task returned, or nil, message, code. They stay with the task for the next join. */
static int handle_results(lua_State *L, const struct task *task) {
    if (task->outcome == TASK_CANCELLED) return support_fail(L, "cancelled", "the task was cancelled");
    int count = lua_gettop(task->L);
    luaL_checkstack(L, count + 2, "too many results");
    if (task->outcome == TASK_RETURNED) {
        for (int i = 1; i <= count; i++) lua_pushvalue(task->L, i);
        lua_xmove(task->L, L, count);
        return count;
    }
    lua_pushnil(L);
    lua_pushvalue(task->L, -1);
    lua_xmove(task->L, L, 1);
    luaL_tolstring(L, -1, NULL);
    lua_remove(L, -2);
    lua_pushliteral(L, "failed");
    return 3;
}

static int join_step(lua_State *L, int status, lua_KContext context) {
    struct task_handle *handle = check_handle(L, 1);
    (void)context;
    if (status == LUA_YIELD && task_woken(L)) return support_fail(L, "timeout", "join: the task has not ended in time");
    if (handle->task->state == TASK_ENDED) return handle_results(L, handle->task);
    struct task *task = task_begin_wait(L, "join");
    if (task == handle->task) return luaL_error(L, "a task cannot join itself");
    lua_Number seconds = support_check_seconds(L, 2, INFINITY);
    task_list_add(&handle->joiners, task);
    return task_wait(L, task, task_runtime(task)->loop.now + seconds, task_list_interrupt, &handle->joiners, 0,
                     join_step);
}

static int handle_join(lua_State *L) {
    check_task(L);
    lua_settop(L, 2);
    return join_step(L, LUA_OK, 0);
}

/* Not an error in a finalizer, which cancels what it has started. */
static int handle_cancel(lua_State *L) {
    struct task *task = check_handle(L, 1)->task;
    if (task) task_cancel(task);
    return 0;
}

static const char *handle_state(const struct task *task) {
    static const char *const states[] = {"ready", "running", "waiting", "ending", ""};
    static const char *const outcomes[] = {"returned", "failed", "cancelled"};
    return task->state == TASK_ENDED ? outcomes[task->outcome] : states[task->state];
}

static int handle_index(lua_State *L) {
    check_handle(L, 1);
    const char *name = luaL_checkstring(L, 2);
    if (support_index_method(L)) return 1;
    if (strcmp(name, "state") == 0) lua_pushstring(L, handle_state(check_task(L)));
    else lua_pushnil(L);
    return 1;
}

static int handle_tostring(lua_State *L) {
    struct task *task = check_handle(L, 1)->task;
    if (task) lua_pushfstring(L, "task: %p (%s)", (void *)task, handle_state(task));
    else lua_pushliteral(L, "task: collected");
    return 1;
}

static int handle_gc(lua_State *L) {
    struct task_handle *handle = check_handle(L, 1);
    if (handle->task) task_release_handle(handle->task);
    handle->task = NULL;
    return 0;
}

void task_handle_open(lua_State *L) {
    static const luaL_Reg methods[] = {{"join", handle_join}, {"cancel", handle_cancel}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__index", handle_index},
                                           {"__tostring", handle_tostring},
                                           {"__close", handle_cancel},
                                           {"__gc", handle_gc},
                                           {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
}
