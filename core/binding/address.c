#include "binding/address.h"
#include "binding/modules.h"
#include "binding/support.h"

#include <string.h>

static const char CLASS[] = "perigee.address";

void address_push(lua_State *L, enum scheme scheme, const struct endpoint *endpoint) {
    size_t head = offsetof(struct address_object, endpoint.as);
    struct address_object *object = lua_newuserdatauv(L, head + endpoint->length, 0); /* no room for a longest path */
    object->scheme = scheme;
    object->endpoint.length = endpoint->length;
    memcpy(&object->endpoint.as, &endpoint->as, endpoint->length);
    luaL_setmetatable(L, CLASS);
}

struct address_object *address_test(lua_State *L, int index) {
    return luaL_testudata(L, index, CLASS);
}

static struct address_object *check_object(lua_State *L, struct address_object *copy) {
    struct address_object *object = luaL_checkudata(L, 1, CLASS);
    memset(copy, 0, sizeof *copy);
    copy->scheme = object->scheme;
    copy->endpoint.length = object->endpoint.length;
    memcpy(&copy->endpoint.as, &object->endpoint.as, object->endpoint.length);
    return copy;
}

/* The text for a message: without the user and the password that somebody has put there. */
static const char *push_public(lua_State *L, const char *text) {
    const char *begin = strstr(text, "://"), *end = strrchr(text, '@');
    if (!begin || !end || end < begin) return lua_pushstring(L, text);
    lua_pushlstring(L, text, (size_t)(begin - text) + strlen("://"));
    lua_pushstring(L, end + 1);
    lua_concat(L, 2);
    return lua_tostring(L, -1);
}

void address_check(lua_State *L, int argument, struct address *address) {
    size_t length;
    const char *reason, *text = luaL_tolstring(L, argument, &length);
    if (!address_test(L, argument)) luaL_checktype(L, argument, LUA_TSTRING);
    if (address_parse(address, text, length, &reason) < 0)
        luaL_error(L, "address '%s': %s", push_public(L, text), reason);
    lua_pop(L, 1);
}

static int address_index(lua_State *L) {
    struct address_object address;
    char text[ADDRESS_TEXT_MAX];
    check_object(L, &address);
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "scheme") == 0) lua_pushstring(L, scheme_name(address.scheme));
    else if (strcmp(name, "port") == 0) lua_pushinteger(L, endpoint_port(&address.endpoint));
    else if (strcmp(name, "host") == 0) lua_pushlstring(L, text, endpoint_host(&address.endpoint, text, sizeof text));
    else lua_pushnil(L);
    return 1;
}

static int address_tostring(lua_State *L) {
    struct address_object address;
    char text[ADDRESS_TEXT_MAX];
    check_object(L, &address);
    lua_pushlstring(L, text, endpoint_format(&address.endpoint, address.scheme, text, sizeof text));
    return 1;
}

static int address_concat(lua_State *L) {
    luaL_tolstring(L, 1, NULL);
    luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
}

static int address_equal(lua_State *L) {
    struct address_object *a = address_test(L, 1), *b = address_test(L, 2);
    lua_pushboolean(L, a && b && a->scheme == b->scheme && a->endpoint.length == b->endpoint.length &&
                           memcmp(&a->endpoint.as, &b->endpoint.as, a->endpoint.length) == 0);
    return 1;
}

/* address.parse(text) -> { scheme=, host=, port=, path= } or nil, message, "protocol" */
static int parse(lua_State *L) {
    size_t length;
    const char *reason, *text = luaL_checklstring(L, 1, &length);
    struct address address;
    if (address_parse(&address, text, length, &reason) < 0)
        return support_fail(L, "protocol", "address '%s': %s", push_public(L, text), reason);
    lua_createtable(L, 0, 4);
    lua_pushstring(L, scheme_name(address.scheme));
    lua_setfield(L, -2, "scheme");
    lua_pushstring(L, address.host);
    lua_setfield(L, -2, "host");
    lua_pushinteger(L, address.port);
    lua_setfield(L, -2, "port");
    lua_pushstring(L, address.path);
    lua_setfield(L, -2, "path");
    return 1;
}

int luaopen_core_address(lua_State *L) {
    static const luaL_Reg functions[] = {{"parse", parse}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__index", address_index},
                                           {"__tostring", address_tostring},
                                           {"__concat", address_concat},
                                           {"__eq", address_equal},
                                           {NULL, NULL}};
    support_class(L, CLASS, NULL, metamethods);
    luaL_newlib(L, functions);
    lookup_open(L);
    return 1;
}
