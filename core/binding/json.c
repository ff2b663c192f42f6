/* core.json: encode and decode as functions of Lua, and the marks. */
#include "binding/json.h"
#include "binding/modules.h"
#include "binding/scratch.h"
#include "binding/support.h"

static void read_style(lua_State *L, struct json_style *style) {
    static const char *const names[] = {"indent", "sort_keys", NULL};
    if (lua_isnoneornil(L, 2)) return;
    support_check_options(L, 2, names);
    style->sorts_keys = support_option_boolean(L, 2, "sort_keys", 0);
    if (lua_getfield(L, 2, "indent") == LUA_TNIL) return; /* it stays on the stack, and so alive */
    style->indent = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "-";
    if (style->indent[strspn(style->indent, " \t")]) luaL_error(L, "option 'indent' must be spaces or tabs");
}

/* json.encode(value, { indent =, sort_keys = }) -> text; raises for what cannot be encoded */
static int encode(lua_State *L) {
    struct text *text = lua_touserdata(L, lua_upvalueindex(1));
    struct json_style style = {0};
    luaL_checkany(L, 1);
    read_style(L, &style);
    size_t start = text->length;
    if (json_encode_styled(L, 1, text, &style) < 0) {
        scratch_reset(text, start);
        return luaL_error(L, "%s", lua_tostring(L, -1));
    }
    scratch_push_string(L, text, start);
    return 1;
}

/* json.decode(text, { depth = }) -> value; or nil, message, "protocol" */
static int decode(lua_State *L) {
    static const char *const names[] = {"depth", NULL};
    size_t length;
    luaL_checktype(L, 1, LUA_TSTRING);
    const char *bytes = lua_tolstring(L, 1, &length);
    int depth = JSON_DEPTH;
    if (!lua_isnoneornil(L, 2)) {
        support_check_options(L, 2, names);
        depth = (int)support_option_integer(L, 2, "depth", 1, JSON_DEPTH_MAX, JSON_DEPTH);
    }
    return json_decode(L, bytes, length, depth);
}

static int mark(lua_State *L, enum json_mark mark) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    int is_free = !lua_getmetatable(L, 1) || json_mark_of(L, 1) != JSON_UNMARKED;
    luaL_argcheck(L, is_free, 1, "the table has a metatable of its own");
    lua_settop(L, 1);
    json_mark_set(L, mark);
    return 1;
}

/* json.array(t) -> t */
static int array(lua_State *L) {
    return mark(L, JSON_ARRAY);
}

/* json.object(t) -> t */
static int object(lua_State *L) {
    return mark(L, JSON_OBJECT);
}

int luaopen_core_json(lua_State *L) {
    static const luaL_Reg functions[] = {{"decode", decode}, {"array", array}, {"object", object},
                                         {"encode", NULL},   {"null", NULL},   {NULL, NULL}};
    luaL_newlib(L, functions);
    scratch_push(L);
    lua_pushcclosure(L, encode, 1);
    lua_setfield(L, -2, "encode");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
