/* Scopes in Lua: task.group, and the scopes of services. A scope object has spawn, cancel, join and count, for one. */
#include "binding/interruption.h"
#include "binding/modules.h"
#include "binding/retire.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "binding/task_handle.h"

#include <math.h>
#include <string.h>

static const char CLASS[] = "perigee.scope";

struct scope_object {
    struct scope *scope;
};

struct scope *scope_check(lua_State *L, int argument) {
    struct scope_object *object = luaL_checkudata(L, argument, CLASS);
    luaL_argcheck(L, object->scope, argument, "the scope is closed");
    return object->scope;
}

static struct scope *push_scope(lua_State *L, struct task *owner) {
    struct scope_object *object = support_new(L, CLASS, sizeof *object, 0);
    object->scope = scope_new(runtime_of(L), owner);
    if (!object->scope) luaL_error(L, "not enough memory");
    return object->scope;
}

struct task *scope_spawn(lua_State *L, struct scope *scope, int function) {
    support_check_callable(L, function);
    int count = lua_gettop(L) - function + 1;
    struct task *task = task_new(L, scope);
    if (!lua_checkstack(task->L, count + LUA_MINSTACK)) luaL_error(L, "too many arguments");
    lua_xmove(L, task->L, count);
    task_schedule(task);
    return task;
}

static int scope_object_spawn(lua_State *L) {
    task_handle_push(L, scope_spawn(L, scope_check(L, 1), 2));
    return 1;
}

/* As spawn, but what the task spawns itself belongs to the scope as well: for a script's main chunk. */
static int scope_object_enter(lua_State *L) {
    struct task *task = scope_spawn(L, scope_check(L, 1), 2);
    task->shares_home = 1;
    task_handle_push(L, task);
    return 1;
}

static int scope_object_cancel(lua_State *L) {
    scope_cancel(scope_check(L, 1));
    return 0;
}

/* scope:cancel_background(): tasks that serve nothing */
static int scope_object_cancel_background(lua_State *L) {
    scope_cancel_background(scope_check(L, 1));
    return 0;
}

/* scope:cancel_endless(): tasks of WebSockets, which nobody expects to end by themselves */
static int scope_object_cancel_endless(lua_State *L) {
    scope_cancel_endless(scope_check(L, 1));
    return 0;
}

/* scope:retire(wakes): those who serve a peer by requests end between two of them; with false, who waits for one is not
 * told before it has come */
static int scope_object_retire(lua_State *L) {
    scope_retire(scope_check(L, 1), lua_isnoneornil(L, 2) || lua_toboolean(L, 2));
    return 0;
}

/* scope:take(connection) -> boolean: the task that serves the connection, or WebSocket, is the scope's from now on */
static int scope_object_take(lua_State *L) {
    struct scope *scope = scope_check(L, 1);
    struct task *task = retire_handler_of(L, 2);
    int moves = task && task->state != TASK_ENDED && !task->home->owner && task->home != scope;
    if (moves) scope_move(task, scope);
    lua_pushboolean(L, moves);
    return 1;
}

/* scope:serving() -> how many tasks serve a connection or a datagram */
static int scope_object_serving(lua_State *L) {
    lua_pushinteger(L, scope_count_serving(scope_check(L, 1)));
    return 1;
}

/* scope:move_live(to) -> how many tasks follow the newest code, and belong to the other scope now */
static int scope_object_move_live(lua_State *L) {
    lua_pushinteger(L, scope_move_live(scope_check(L, 1), scope_check(L, 2)));
    return 1;
}

static int scope_join_step(lua_State *L, int status, lua_KContext context) {
    struct scope *scope = scope_check(L, 1);
    (void)context;
    if (status == LUA_YIELD && task_woken(L))
        return support_fail(L, "timeout", "join: %d tasks have not ended in time", (int)scope->count);
    if (!scope->count) {
        lua_pushboolean(L, 1);
        return 1;
    }
    struct task *task = task_begin_wait(L, "join");
    lua_Number seconds = support_check_seconds(L, 2, INFINITY);
    task_list_add(&scope->waiters, task);
    return task_wait(L, task, task_runtime(task)->loop.now + seconds, task_list_interrupt, &scope->waiters, 0,
                     scope_join_step);
}

static int scope_object_join(lua_State *L) {
    lua_settop(L, 2);
    return scope_join_step(L, LUA_OK, 0);
}

static int scope_object_index(lua_State *L) {
    struct scope_object *object = luaL_checkudata(L, 1, CLASS);
    if (support_index_method(L)) return 1;
    if (strcmp(luaL_checkstring(L, 2), "count") != 0) return 0;
    lua_pushinteger(L, object->scope ? object->scope->count : 0);
    return 1;
}

static int scope_object_gc(lua_State *L) {
    struct scope_object *object = luaL_checkudata(L, 1, CLASS);
    if (object->scope) scope_drop(object->scope);
    object->scope = NULL;
    return 0;
}

/* task.scope(context): a scope of its own, for a service; `context` is what task.context finds in its tasks, as long as
 * somebody else holds it. */
static int scope_make(lua_State *L) {
    lua_settop(L, 1);
    struct scope *scope = push_scope(L, NULL);
    lua_pushvalue(L, 1);
    if (!lua_isnil(L, -1)) scope_set_context(L, scope, -1);
    lua_settop(L, 2);
    return 1;
}

/* task.group(body): its stack is [1] body, [2] scope object, [3] message handler, then the body's results. */

enum { GROUP_BODY = 1, GROUP_SCOPE, GROUP_HANDLER };

/* Ends the group: raises what went wrong first, or returns the body's results. */
static int group_end(lua_State *L, struct task *task, int body_failed) {
    struct scope_object *object = lua_touserdata(L, GROUP_SCOPE);
    struct scope *scope = object->scope;
    int failed = scope->failed;
    task->scope = scope->outer;
    scope->owner = NULL;
    if (failed) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, scope->failure);
        lua_rawgeti(L, LUA_REGISTRYINDEX, scope->traceback);
    }
    object->scope = NULL;
    scope_drop(scope);
    if (failed) interruption_remember(L);
    if (failed || body_failed) return lua_error(L);
    task_check_interrupted(L, task);
    return lua_gettop(L) - GROUP_HANDLER;
}

/* The owner is to wind up while it waits for its group: the tasks are cancelled, and the wait goes on. */
static int group_wind_up(struct task *task, void *subject) {
    (void)task;
    scope_cancel(subject);
    return 0;
}

static int group_wait(lua_State *L, int status, lua_KContext body_failed) {
    struct task *task = task_of(L);
    struct scope *scope = scope_check(L, GROUP_SCOPE);
    (void)status;
    if (!scope->count) return group_end(L, task, (int)body_failed);
    if (body_failed || task_is_interrupted(task)) scope_cancel(scope);
    task_list_add(&scope->waiters, task);
    return task_wait(L, task, INFINITY, group_wind_up, scope, body_failed, group_wait);
}

static int group_body_ended(lua_State *L, int status, lua_KContext context) {
    struct scope *scope = scope_check(L, GROUP_SCOPE);
    int failed = status != LUA_OK && status != LUA_YIELD;
    (void)context;
    if (failed && !scope->failed && !interruption_test(L, -1)) {
        lua_pushvalue(L, -1);
        interruption_push_traceback(L, L);
        scope_fail(scope, L);
    }
    return group_wait(L, LUA_OK, failed);
}

static int group_run(lua_State *L) {
    support_check_callable(L, GROUP_BODY);
    lua_settop(L, GROUP_BODY);
    struct task *task = task_begin_wait(L, "group");
    struct scope *scope = push_scope(L, task);
    scope->group = 1;
    scope->outer = task->scope;
    task->scope = scope;
    lua_pushcfunction(L, interruption_message_handler);
    lua_pushvalue(L, GROUP_BODY);
    lua_pushvalue(L, GROUP_SCOPE);
    return group_body_ended(L, lua_pcallk(L, 1, LUA_MULTRET, GROUP_HANDLER, 0, group_body_ended), 0);
}

void scope_open(lua_State *L) {
    static const luaL_Reg methods[] = {{"spawn", scope_object_spawn},
                                       {"enter", scope_object_enter},
                                       {"cancel", scope_object_cancel},
                                       {"cancel_background", scope_object_cancel_background},
                                       {"cancel_endless", scope_object_cancel_endless},
                                       {"retire", scope_object_retire},
                                       {"take", scope_object_take},
                                       {"serving", scope_object_serving},
                                       {"join", scope_object_join},
                                       {"move_live", scope_object_move_live},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__index", scope_object_index}, {"__gc", scope_object_gc}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"group", group_run}, {"scope", scope_make}, {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_setfuncs(L, functions, 0);
}
