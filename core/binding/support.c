#include "binding/support.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

void support_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *metamethods) {
    luaL_newmetatable(L, name); /* sets __name */
    lua_newtable(L);
    if (methods) luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    luaL_setfuncs(L, (lua_pushvalue(L, -2), metamethods), 0);
    lua_pop(L, 1);
    if (lua_getfield(L, -2, "__index") == LUA_TFUNCTION) { /* again, with the methods at hand */
        lua_CFunction index = lua_tocfunction(L, -1);
        lua_pop(L, 1);
        lua_pushcclosure(L, index, 1);
        lua_setfield(L, -2, "__index");
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 3);
}

void *support_new(lua_State *L, const char *class_name, size_t size, int user_values) {
    void *object = lua_newuserdatauv(L, size, user_values);
    memset(object, 0, size);
    if (luaL_getmetatable(L, class_name) == LUA_TNIL) luaL_error(L, "the module of class %s is not open", class_name);
    lua_setmetatable(L, -2);
    return object;
}

int support_keep_callback(lua_State *L, const char *name) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, name);
    return 0;
}

int support_index_method(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
    lua_pop(L, 1);
    return 0;
}

int support_fail(lua_State *L, const char *code, const char *format, ...) {
    va_list arguments;
    lua_pushnil(L);
    va_start(arguments, format);
    lua_pushvfstring(L, format, arguments);
    va_end(arguments);
    lua_pushstring(L, code);
    return 3;
}

const char *support_code(int error) {
    switch (error) {
    case ETIMEDOUT: return "timeout";
    case EPIPE:
    case EBADF:
    case ENOTCONN:
    case ESHUTDOWN: return "closed";
    case ECONNREFUSED: return "refused";
    case ECONNRESET:
    case ECONNABORTED: return "reset";
    case EMSGSIZE:
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
    case ENOSPC:
    case EDQUOT: return "limit";
    case EADDRINUSE:
    case EEXIST: return "exists";
    case EACCES:
    case EPERM: return "denied";
    case ECANCELED: return "cancelled";
    case EPROTO:
    case ENODATA: return "protocol";
    default: return "unreachable";
    }
}

int support_fail_errno(lua_State *L, int error, const char *operation, const char *subject) {
    return support_fail(L, support_code(error), "%s %s: %s", operation, subject, strerror(error));
}

/* The option on the stack, or nothing when it is absent: returns whether it is there. */
static int support_get_option(lua_State *L, int table, const char *name) {
    if (lua_isnoneornil(L, table)) return 0;
    if (lua_getfield(L, table, name) != LUA_TNIL) return 1;
    lua_pop(L, 1);
    return 0;
}

lua_Integer support_option_integer(lua_State *L, int table, const char *name, lua_Integer low, lua_Integer high,
                                   lua_Integer otherwise) {
    if (!support_get_option(L, table, name)) return otherwise;
    int exact;
    lua_Integer value = lua_tointegerx(L, -1, &exact);
    if (!exact || value < low || value > high)
        luaL_error(L, "option '%s' must be an integer from %I to %I, not %s", name, (LUAI_UACINT)low, (LUAI_UACINT)high,
                   luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
    return value;
}

lua_Number support_option_seconds(lua_State *L, int table, const char *name, lua_Number otherwise) {
    if (!support_get_option(L, table, name)) return otherwise;
    int number;
    lua_Number value = lua_tonumberx(L, -1, &number);
    if (!number || !(value > 0))
        luaL_error(L, "option '%s' must be seconds above 0, not %s", name, luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
    return value;
}

int support_option_boolean(lua_State *L, int table, const char *name, int otherwise) {
    if (!support_get_option(L, table, name)) return otherwise;
    if (!lua_isboolean(L, -1))
        luaL_error(L, "option '%s' must be true or false, not %s", name, luaL_tolstring(L, -1, NULL));
    int value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static int support_is_listed(const char *name, const char *const *names) {
    for (; *names; names++)
        if (strcmp(name, *names) == 0) return 1;
    return 0;
}

void support_check_options(lua_State *L, int table, const char *const *names) {
    if (lua_isnoneornil(L, table)) return;
    luaL_checktype(L, table, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (lua_type(L, -2) != LUA_TSTRING || !support_is_listed(lua_tostring(L, -2), names))
            luaL_error(L, "there is no option '%s'", luaL_tolstring(L, -2, NULL));
        lua_pop(L, 1);
    }
}

lua_Number support_check_seconds(lua_State *L, int argument, lua_Number otherwise) {
    if (lua_isnoneornil(L, argument)) return otherwise;
    lua_Number seconds = luaL_checknumber(L, argument);
    luaL_argcheck(L, seconds >= 0, argument, "seconds must be 0 or more");
    return seconds;
}

void support_check_callable(lua_State *L, int argument) {
    if (lua_isfunction(L, argument)) return;
    if (luaL_getmetafield(L, argument, "__call") == LUA_TNIL) luaL_typeerror(L, argument, "function");
    lua_pop(L, 1);
}

size_t support_check_size(lua_State *L, int argument, size_t low, size_t otherwise) {
    if (lua_isnoneornil(L, argument)) return otherwise;
    lua_Integer size = luaL_checkinteger(L, argument);
    luaL_argcheck(L, size >= (lua_Integer)low && (lua_Unsigned)size <= PTRDIFF_MAX, argument,
                  low ? "bytes must be 1 or more" : "bytes must be 0 or more");
    return (size_t)size;
}
