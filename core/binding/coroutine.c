/* coroutine.resume and coroutine.wrap for tasks: a coroutine that a script makes by itself, a generator for one, may wait
 * as its task may. When the inner coroutine parks the task, the call to resume parks with it, and goes on when the task
 * is woken; the script sees only its own yields. In all else as in Lua's lcorolib.c. */
#include "binding/coroutine.h"
#include "binding/modules.h"
#include "binding/runtime.h"

enum kind { KIND_RESUME, KIND_WRAP };

static void set_task(lua_State *coroutine, struct task *task) {
    *(struct task **)lua_getextraspace(coroutine) = task;
}

/* Gives the coroutine to the running task for as long as it runs or waits. Where the caller cannot be parked itself, as
 * in the callback of a C function, the coroutine may not wait either. */
static void lend_task(lua_State *L, lua_State *coroutine) {
    struct task *root = &runtime_of(L)->root;
    if (coroutine != L && task_of(coroutine) != root) luaL_error(L, "cannot resume a coroutine that waits in a task");
    set_task(coroutine, lua_isyieldable(L) ? task_of(L) : root);
}

int coroutine_take_results(lua_State *L, lua_State *coroutine, int status, int count) {
    int failed = status != LUA_OK && status != LUA_YIELD;
    if (failed) count = 1;
    if (!lua_checkstack(L, count + 1)) {
        lua_pop(coroutine, count);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(coroutine, L, count);
    return failed ? -1 : count;
}

static int resume_results(lua_State *L, int count) {
    lua_pushboolean(L, count >= 0);
    lua_insert(L, count >= 0 ? -(count + 1) : -2);
    return count >= 0 ? count + 1 : 2;
}

/* Runs what is to be closed in the coroutine. */
static int reset(lua_State *L, lua_State *coroutine) {
    struct watch *watch = &runtime_of(L)->watch;
    watch_switch(watch, coroutine);
    int status = lua_resetthread(coroutine);
    watch_switch(watch, L);
    return status;
}

/* An error in a wrapped coroutine closes it, and is raised with the caller's position. */
static int wrap_results(lua_State *L, lua_State *coroutine, int count) {
    if (count >= 0) return count;
    int status = lua_status(coroutine);
    if (status != LUA_OK && status != LUA_YIELD && reset(L, coroutine) != LUA_OK) {
        lua_pop(L, 1);
        lua_xmove(coroutine, L, 1); /* the error of a __close takes its place */
    }
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int step(lua_State *L, int resumed, lua_KContext kind) {
    lua_State *coroutine = lua_tothread(L, kind == KIND_RESUME ? 1 : lua_upvalueindex(1));
    int arguments = 0, count = 0;
    if (resumed != LUA_YIELD) {
        arguments = lua_gettop(L) - (kind == KIND_RESUME);
        if (!lua_checkstack(coroutine, arguments)) return luaL_error(L, "too many arguments to resume");
        lend_task(L, coroutine);
        lua_xmove(L, coroutine, arguments);
    }
    struct task *task = task_of(coroutine);
    struct watch *watch = &task_runtime(task)->watch;
    watch_switch(watch, coroutine);
    int status = lua_resume(coroutine, L, arguments, &count);
    watch_switch(watch, L);
    if (status == LUA_YIELD && task->state == TASK_PARKED) return lua_yieldk(L, 0, kind, step);
    if (coroutine != L) set_task(coroutine, &task_runtime(task)->root);
    count = coroutine_take_results(L, coroutine, status, count);
    return kind == KIND_RESUME ? resume_results(L, count) : wrap_results(L, coroutine, count);
}

static int coroutine_resume(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTHREAD);
    return step(L, LUA_OK, KIND_RESUME);
}

static int coroutine_wrapped(lua_State *L) {
    return step(L, LUA_OK, KIND_WRAP);
}

static int coroutine_wrap(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *coroutine = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, coroutine, 1);
    lua_pushcclosure(L, coroutine_wrapped, 1);
    return 1;
}

/* By the original, upvalue 1, which refuses coroutines that run. */
static int coroutine_close(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTHREAD);
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    watch_switch(&runtime_of(L)->watch, lua_tothread(L, 1));
    int status = lua_pcall(L, 1, LUA_MULTRET, 0);
    watch_switch(&runtime_of(L)->watch, L);
    return status == LUA_OK ? lua_gettop(L) - 1 : lua_error(L);
}

void coroutine_open(lua_State *L) {
    static const luaL_Reg functions[] = {{"resume", coroutine_resume}, {"wrap", coroutine_wrap}, {NULL, NULL}};
    lua_getglobal(L, "coroutine");
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, -1, "close");
    lua_pushcclosure(L, coroutine_close, 1);
    lua_setfield(L, -2, "close");
    lua_pop(L, 1);
}
