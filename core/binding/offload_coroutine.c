/* Coroutines of a job, as in Lua's lcorolib.c. A hook belongs to one coroutine: so that an endless loop can be stopped
 * wherever it is, the state knows which one runs. */
#include "binding/coroutine.h"
#include "binding/offload_state.h"

#include <lauxlib.h>

static struct offload_state *state_of(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* The signal may come at any moment in here: whoever runs now is asked again after the change. */
static void set_running(struct offload_state *state, lua_State *L) {
    __atomic_store_n(&state->running, L, __ATOMIC_SEQ_CST);
    if (offload_state_is_stopping(state)) offload_state_interrupt(L);
}

static int resume(struct offload_state *state, lua_State *L, lua_State *coroutine, int arguments, int closes) {
    int count;
    if (!lua_checkstack(coroutine, arguments)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, coroutine, arguments);
    set_running(state, coroutine);
    int status = lua_resume(coroutine, L, arguments, &count);
    int failed = status != LUA_OK && status != LUA_YIELD;
    if (failed && closes && !offload_state_is_stopping(state)) status = lua_resetthread(coroutine);
    set_running(state, L);
    return coroutine_take_results(L, coroutine, status, count);
}

static int coroutine_resume(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTHREAD);
    int count = resume(state_of(L), L, lua_tothread(L, 1), lua_gettop(L) - 1, 0);
    lua_pushboolean(L, count >= 0);
    lua_insert(L, count >= 0 ? -(count + 1) : -2);
    return count >= 0 ? count + 1 : 2;
}

/* An error is raised with the caller's position. */
static int coroutine_wrapped(lua_State *L) {
    lua_State *coroutine = lua_tothread(L, lua_upvalueindex(2));
    int count = resume(state_of(L), L, coroutine, lua_gettop(L), 1);
    if (count >= 0) return count;
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int coroutine_wrap(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_State *coroutine = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, coroutine, 1);
    lua_pushcclosure(L, coroutine_wrapped, 2);
    return 1;
}

/* By the original, upvalue 2, which refuses coroutines that run. */
static int coroutine_close(lua_State *L) {
    struct offload_state *state = state_of(L);
    luaL_checktype(L, 1, LUA_TTHREAD);
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, 1);
    if (offload_state_is_stopping(state)) return 0; /* where a hook has ended it, nothing could stop its __close */
    set_running(state, lua_tothread(L, 1));
    int status = lua_pcall(L, 1, LUA_MULTRET, 0);
    set_running(state, L);
    return status == LUA_OK ? lua_gettop(L) - 1 : lua_error(L);
}

void offload_coroutine_open(struct offload_state *state) {
    static const luaL_Reg functions[] = {{"resume", coroutine_resume}, {"wrap", coroutine_wrap}, {NULL, NULL}};
    lua_State *L = state->L;
    lua_getglobal(L, "coroutine");
    lua_pushlightuserdata(L, state);
    luaL_setfuncs(L, functions, 1);
    lua_pushlightuserdata(L, state);
    lua_getfield(L, -2, "close");
    lua_pushcclosure(L, coroutine_close, 2);
    lua_setfield(L, -2, "close");
    lua_pop(L, 1);
}
