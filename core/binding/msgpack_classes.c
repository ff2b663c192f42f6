/* perigee.Timestamp and perigee.Ext: plain tables. What else a timestamp can is in lua/perigee/codec/timestamp.lua. */
#include "binding/json.h"
#include "binding/msgpack.h"
#include "binding/support.h"

static const char TIMESTAMP[] = "perigee.Timestamp", EXT[] = "perigee.Ext";

enum { NANOSECONDS = 1000000000 };

enum msgpack_class msgpack_class_of(lua_State *L, int table) {
    static const char *const classes[] = {[MSGPACK_TIMESTAMP] = TIMESTAMP, [MSGPACK_EXT] = EXT};
    if (!lua_getmetatable(L, table)) return MSGPACK_PLAIN;
    enum msgpack_class class = MSGPACK_EXT;
    for (; class >= MSGPACK_TIMESTAMP; class --) {
        luaL_getmetatable(L, classes[class]);
        int is_same = lua_rawequal(L, -1, -2);
        lua_pop(L, 1);
        if (is_same) break;
    }
    lua_pop(L, 1);
    if (class >= MSGPACK_TIMESTAMP) return class;
    enum json_mark mark = json_mark_of(L, table);
    return mark == JSON_ARRAY ? MSGPACK_ARRAY_MARK : mark == JSON_OBJECT ? MSGPACK_OBJECT_MARK : MSGPACK_PLAIN;
}

void msgpack_push_timestamp(lua_State *L, lua_Integer seconds, lua_Integer nanoseconds) {
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, seconds);
    lua_setfield(L, -2, "seconds");
    lua_pushinteger(L, nanoseconds);
    lua_setfield(L, -2, "nanoseconds");
    luaL_setmetatable(L, TIMESTAMP);
}

/* The integer of that field: 0; or -1 when it is none, or not in this range. */
static int read_integer(lua_State *L, int table, const char *name, lua_Integer least, lua_Integer most,
                        lua_Integer *value) {
    lua_pushstring(L, name);
    lua_rawget(L, table);
    int is_integer = lua_isinteger(L, -1);
    *value = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return is_integer && *value >= least && *value <= most ? 0 : -1;
}

int msgpack_read_timestamp(lua_State *L, int table, lua_Integer *seconds, lua_Integer *nanoseconds) {
    if (read_integer(L, table, "seconds", LUA_MININTEGER, LUA_MAXINTEGER, seconds) < 0) return -1;
    return read_integer(L, table, "nanoseconds", 0, NANOSECONDS - 1, nanoseconds);
}

int msgpack_timestamp(lua_State *L) {
    lua_Integer seconds = luaL_checkinteger(L, 1), nanoseconds = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, nanoseconds >= 0 && nanoseconds < NANOSECONDS, 2, "nanoseconds must be 0 to 999999999");
    msgpack_push_timestamp(L, seconds, nanoseconds);
    return 1;
}

void msgpack_push_ext(lua_State *L, int type, const void *bytes, size_t length) {
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, type);
    lua_setfield(L, -2, "type");
    lua_pushlstring(L, bytes, length);
    lua_setfield(L, -2, "data");
    luaL_setmetatable(L, EXT);
}

const char *msgpack_read_ext(lua_State *L, int table, int *type, size_t *length) {
    lua_Integer number;
    if (read_integer(L, table, "type", INT8_MIN, INT8_MAX, &number) < 0) return NULL;
    *type = (int)number;
    lua_pushliteral(L, "data");
    return lua_rawget(L, table) == LUA_TSTRING ? lua_tolstring(L, -1, length) : NULL;
}

int msgpack_ext(lua_State *L) {
    size_t length;
    lua_Integer type = luaL_checkinteger(L, 1);
    luaL_argcheck(L, type >= INT8_MIN && type <= INT8_MAX, 1, "type must be -128 to 127");
    luaL_checktype(L, 2, LUA_TSTRING);
    const char *data = lua_tolstring(L, 2, &length);
    msgpack_push_ext(L, (int)type, data, length);
    return 1;
}

static int ext_tostring(lua_State *L) {
    lua_getfield(L, 1, "type");
    lua_getfield(L, 1, "data");
    lua_pushfstring(L, "perigee.Ext: type %s, %I bytes", lua_tostring(L, -2), (lua_Integer)lua_rawlen(L, -1));
    return 1;
}

static int fields_are_equal(lua_State *L, const char *name) {
    lua_getfield(L, 1, name);
    lua_getfield(L, 2, name);
    int is_equal = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is_equal;
}

static int ext_eq(lua_State *L) {
    lua_pushboolean(L, fields_are_equal(L, "type") && fields_are_equal(L, "data"));
    return 1;
}

static void class_open(lua_State *L, const char *name, const luaL_Reg *metamethods) {
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, metamethods, 0);
    lua_pop(L, 1);
}

void msgpack_classes_open(lua_State *L) {
    static const luaL_Reg of_ext[] = {{"__tostring", ext_tostring}, {"__eq", ext_eq}, {NULL, NULL}};
    static const luaL_Reg of_timestamp[] = {{NULL, NULL}};
    class_open(L, TIMESTAMP, of_timestamp);
    class_open(L, EXT, of_ext);
}
