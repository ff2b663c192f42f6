#include "binding/hooks.h"

#include <lauxlib.h>

/* lua_State begins with the header of every object (a pointer and two bytes), then the bytes `status` and `allowhook`:
 * so from Lua 5.4.0 on. */
enum { ALLOWS_HOOKS = sizeof(void *) + 3 };

static unsigned char *flag_of(lua_State *L) {
    return (unsigned char *)L + ALLOWS_HOOKS;
}

static void look(lua_State *L, lua_Debug *event) {
    (void)event;
    lua_sethook(L, NULL, 0, 0);
    lua_pushinteger(L, *flag_of(L));
    lua_setfield(L, LUA_REGISTRYINDEX, "perigee.hooks");
}

static int nothing(lua_State *L) {
    (void)L;
    return 0;
}

int hooks_are_known(lua_State *L) {
    lua_pushcfunction(L, nothing);
    lua_sethook(L, look, LUA_MASKCALL, 0);
    lua_call(L, 0, 0);
    lua_sethook(L, NULL, 0, 0);
    int inside =
        (lua_getfield(L, LUA_REGISTRYINDEX, "perigee.hooks"), lua_isinteger(L, -1)) && lua_tointeger(L, -1) == 0;
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "perigee.hooks");
    return inside && *flag_of(L) == 1;
}

void hooks_allow(lua_State *L) {
    *flag_of(L) = 1;
}
