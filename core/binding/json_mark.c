/* A mark is a metatable without any effect of its own: it costs nothing where there is none. */
#include "binding/json.h"

#include <lauxlib.h>

static const char *const classes[] = {[JSON_ARRAY] = "perigee.json.array", [JSON_OBJECT] = "perigee.json.object"};

void json_mark_set(lua_State *L, enum json_mark mark) {
    luaL_newmetatable(L, classes[mark]); /* or the one that there is */
    lua_setmetatable(L, -2);
}

enum json_mark json_mark_of(lua_State *L, int table) {
    if (!lua_getmetatable(L, table)) return JSON_UNMARKED;
    enum json_mark mark = JSON_OBJECT;
    for (; mark > JSON_UNMARKED; mark--) {
        luaL_getmetatable(L, classes[mark]);
        int is_same = lua_rawequal(L, -1, -2);
        lua_pop(L, 1);
        if (is_same) break;
    }
    lua_pop(L, 1);
    return mark;
}
