/* A mark is a metatable, as that of an array in JSON is. Those of errors and simple strings are classes. */
#include "binding/resp.h"

#include <lauxlib.h>

static const char *const classes[RESP_MARKS] = {
    [RESP_SIMPLE] = "perigee.resp.Simple",
    [RESP_ERROR] = "perigee.resp.Error",
    [RESP_PUSH] = "perigee.resp.Push",
    [RESP_SET] = "perigee.resp.Set",
    [RESP_NULL_ARRAY] = "perigee.resp.NullArray",
};

/* The text of an error or simple string. */
static int mark_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushliteral(L, "message");
    if (lua_rawget(L, 1) != LUA_TSTRING) lua_pushfstring(L, "RESP: %p", lua_topointer(L, 1));
    return 1;
}

/* In the metatable, by the address of `classes`: the mark. */
void resp_mark_set(lua_State *L, enum resp_mark mark) {
    if (luaL_newmetatable(L, classes[mark])) {
        lua_pushinteger(L, mark);
        lua_rawsetp(L, -2, classes);
        lua_pushcfunction(L, mark_tostring);
        lua_setfield(L, -2, "__tostring");
    }
    lua_setmetatable(L, -2);
}

enum resp_mark resp_mark_of(lua_State *L, int table) {
    if (!lua_getmetatable(L, table)) return RESP_UNMARKED;
    lua_rawgetp(L, -1, classes);
    enum resp_mark mark = (enum resp_mark)lua_tointeger(L, -1);
    lua_pop(L, 2);
    return mark;
}

void resp_error_push(lua_State *L, const char *text, size_t length) {
    const char *space = length ? memchr(text, ' ', length) : NULL;
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, text, length);
    lua_setfield(L, -2, "message");
    lua_pushlstring(L, text, space ? (size_t)(space - text) : length);
    lua_setfield(L, -2, "kind");
    resp_mark_set(L, RESP_ERROR);
}
