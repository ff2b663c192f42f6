/* core.serial: plain values as bytes, for messages between processes. */
#include "binding/modules.h"
#include "binding/serialise.h"
#include "binding/support.h"

static const char CLASS[] = "perigee.serial.parcel";

static int parcel_collect(lua_State *L) {
    parcel_destroy(luaL_checkudata(L, 1, CLASS));
    return 0;
}

/* serial.encode(...) -> bytes; raises for what cannot travel */
static int encode(lua_State *L) {
    static const struct serial_style style = {.noun = "argument"};
    struct parcel *parcel = support_new(L, CLASS, sizeof *parcel, 0);
    lua_insert(L, 1);
    if (serial_encode(L, 2, parcel, &style) < 0) return luaL_error(L, "%s", lua_tostring(L, -1));
    lua_pushlstring(L, parcel->bytes.bytes, parcel->bytes.length);
    parcel_destroy(parcel);
    return 1;
}

/* serial.decode(bytes) -> the values; or nil, message, "protocol" */
static int decode(lua_State *L) {
    struct serial_source source = {0};
    luaL_checktype(L, 1, LUA_TSTRING);
    source.bytes = lua_tolstring(L, 1, &source.length);
    int count = serial_decode(L, &source);
    return count < 0 ? support_fail(L, "protocol", "%s", lua_tostring(L, -1)) : count;
}

int luaopen_core_serial(lua_State *L) {
    static const luaL_Reg functions[] = {{"encode", encode}, {"decode", decode}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", parcel_collect}, {NULL, NULL}};
    support_class(L, CLASS, NULL, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
