/* What a job finds in its state. */
#include "binding/library.h"
#include "binding/modules.h"
#include "binding/offload_state.h"
#include "io/offload.h"

#include <lualib.h>
#include <string.h>

static const char UNAVAILABLE[] = " cannot be used in task.offload: it needs the event loop";

/* Those of core.* that need no loop. */
static const char *const pure_modules[] = {"core.buffer", "core.digest", "core.json", "core.multipart",
                                           "core.routes", "core.serial", NULL};

static int is_pure(const char *name) {
    for (const char *const *pure = pure_modules; *pure; pure++)
        if (strcmp(*pure, name) == 0) return 1;
    return 0;
}

static int refuse_module(lua_State *L) {
    lua_pushfstring(L, "%s%s", lua_tostring(L, 1), UNAVAILABLE);
    return lua_error(L);
}

static int refuse_function(lua_State *L) {
    return luaL_error(L, "%s cannot be used in task.offload", lua_tostring(L, lua_upvalueindex(1)));
}

static void open_modules(lua_State *L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (const luaL_Reg *module = core_modules; module->name; module++) {
        lua_pushcfunction(L, is_pure(module->name) ? module->func : refuse_module);
        lua_setfield(L, -2, module->name);
    }
    lua_pop(L, 1);
}

static int is_unavailable(lua_State *L, int index) {
    size_t length, tail = sizeof UNAVAILABLE - 1;
    if (lua_type(L, index) != LUA_TSTRING) return 0;
    const char *message = lua_tolstring(L, index, &length);
    return length > tail && memcmp(message + length - tail, UNAVAILABLE, tail) == 0;
}

/* require, upvalue 1, with what a fresh state has as the module's globals; the globals of the job, which end with it,
 * are there again afterwards. What is unavailable is called by the name that the job asked for. */
static int offload_require(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_pushglobaltable(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, UNAVAILABLE);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    int status = lua_pcall(L, 1, LUA_MULTRET, 0);
    lua_pushvalue(L, 2);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    if (status == LUA_OK) return lua_gettop(L) - 2;
    if (is_unavailable(L, -1)) lua_pushfstring(L, "%s%s", name, UNAVAILABLE);
    return lua_error(L);
}

static void replace_require(lua_State *L) {
    lua_pushglobaltable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, UNAVAILABLE);
    lua_getglobal(L, "require");
    lua_pushcclosure(L, offload_require, 1);
    lua_setglobal(L, "require");
}

/* While a job is being stopped, its message handlers are passed over: for an error that a hook has raised they are
 * called without hooks, so that nothing could stop them. Upvalues: the state, the handler. */
static int handle_message(lua_State *L) {
    if (offload_state_is_stopping(lua_touserdata(L, lua_upvalueindex(1)))) return 1;
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static int xpcall_ended(lua_State *L, int status, lua_KContext context) {
    (void)status, (void)context;
    return lua_gettop(L);
}

/* Upvalues: the state, the original. */
static int offload_xpcall(lua_State *L) {
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, handle_message, 2);
    lua_replace(L, 2);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, xpcall_ended);
    return lua_gettop(L);
}

static void replace_xpcall(struct offload_state *state) {
    lua_State *L = state->L;
    lua_pushlightuserdata(L, state);
    lua_getglobal(L, "xpcall");
    lua_pushcclosure(L, offload_xpcall, 2);
    lua_setglobal(L, "xpcall");
}

/* A function that starts a program, upvalue 1. */
static int start_program(lua_State *L) {
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    offload_let_signals_in(1);
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    offload_let_signals_in(0);
    return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

static void replace_start(lua_State *L, const char *library, const char *name) {
    lua_getglobal(L, library);
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, start_program, 1);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

/* What concerns the whole process, or the hook by which a job is stopped. */
static void refuse(lua_State *L, const char *library, const char *name) {
    lua_getglobal(L, library);
    lua_pushfstring(L, "%s.%s", library, name);
    lua_pushcclosure(L, refuse_function, 1);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

void offload_copy_fields(lua_State *L) {
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -5);
    }
    lua_pop(L, 1);
}

/* A copy of the globals: each job gets one of that. */
static void keep_globals(struct offload_state *state) {
    lua_State *L = state->L;
    lua_newtable(L);
    lua_pushglobaltable(L);
    offload_copy_fields(L);
    state->globals = luaL_ref(L, LUA_REGISTRYINDEX);
}

void offload_library_open(struct offload_state *state) {
    lua_State *L = state->L;
    luaL_openlibs(L);
    library_open(L);
    open_modules(L);
    replace_require(L);
    replace_xpcall(state);
    replace_start(L, "os", "execute");
    replace_start(L, "io", "popen");
    refuse(L, "os", "exit");
    refuse(L, "os", "setlocale");
    refuse(L, "debug", "sethook");
    offload_coroutine_open(state);
    keep_globals(state);
}
