/* core.routes: which value belongs to a path. The value and the names of the parameters come back in one call. */
#include "bytes/routes.h"
#include "binding/http_request.h"
#include "binding/modules.h"
#include "binding/support.h"

#include <string.h>

static const char CLASS[] = "perigee.routes";

struct routes_object {
    struct routes *routes;
};

static struct routes *check(lua_State *L) {
    return ((struct routes_object *)luaL_checkudata(L, 1, CLASS))->routes;
}

static int new_routes(lua_State *L) {
    struct routes_object *object = support_new(L, CLASS, sizeof *object, 1);
    object->routes = routes_new();
    if (!object->routes) return luaL_error(L, "not enough memory");
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

/* routes:add(pattern, value) -> the value that the pattern has already, or nil once it has this one. Raises for what is
 * no pattern. */
static int add(lua_State *L) {
    size_t length;
    const char *pattern = luaL_checklstring(L, 2, &length), *what;
    luaL_checkany(L, 3);
    int endpoint = routes_add(check(L), pattern, length, &what);
    if (endpoint < 0) return luaL_error(L, "pattern '%s': %s", pattern, what);
    lua_getiuservalue(L, 1, 1);
    if (lua_rawgeti(L, -1, endpoint + 1) != LUA_TNIL) return 1;
    lua_pushvalue(L, 3);
    lua_rawseti(L, -3, endpoint + 1);
    return 1;
}

static void push_parameters(lua_State *L, const struct routes *routes, int endpoint, const struct routes_match *match,
                            const char *path) {
    lua_createtable(L, 0, match->count);
    for (int i = 0; i < match->count; i++) {
        size_t length;
        const char *name = routes_parameter_name(routes, endpoint, i, &length);
        lua_pushlstring(L, name, length);
        http_push_decoded(L, (struct span){path + match->parameters[i].start, match->parameters[i].length}, 0);
        lua_rawset(L, -3);
    }
}

/* routes:find(path) -> value, parameters; nil */
static int find(lua_State *L) {
    const struct routes *routes = check(L);
    struct routes_match match;
    size_t length;
    const char *path = luaL_checklstring(L, 2, &length);
    int endpoint = routes_find(routes, path, length, &match);
    if (endpoint < 0) return lua_pushnil(L), 1;
    lua_getiuservalue(L, 1, 1);
    lua_rawgeti(L, -1, endpoint + 1);
    push_parameters(L, routes, endpoint, &match, path);
    return 2;
}

enum { MATCHER_ROUTES = 1, MATCHER_VALUES };

static int match_request(lua_State *L) {
    const struct routes_object *object = lua_touserdata(L, lua_upvalueindex(MATCHER_ROUTES));
    const struct http_request *request = http_request_check(L, 1);
    struct routes_match match;
    struct http_span span = request->head.path, method = request->head.method;
    const char *bytes = http_request_bytes(request), *path = span.length ? bytes + span.start : "/";
    int endpoint = routes_find(object->routes, path, span.length ? span.length : 1, &match);
    if (endpoint < 0) return lua_pushnil(L), 1;
    if (match.count) {
        push_parameters(L, object->routes, endpoint, &match, path);
        lua_setiuservalue(L, 1, REQUEST_PARAMS);
    }
    lua_rawgeti(L, lua_upvalueindex(MATCHER_VALUES), endpoint + 1);
    lua_pushlstring(L, bytes + method.start, method.length);
    return 2;
}

/* routes:matcher() -> a function(request) -> value, method; the parameters become request.params */
static int matcher(lua_State *L) {
    check(L);
    lua_settop(L, 1);
    lua_getiuservalue(L, 1, 1);
    lua_pushcclosure(L, match_request, MATCHER_VALUES);
    return 1;
}

static int routes_gc(lua_State *L) {
    struct routes_object *object = luaL_checkudata(L, 1, CLASS);
    if (object->routes) routes_free(object->routes);
    object->routes = NULL;
    return 0;
}

int luaopen_core_routes(lua_State *L) {
    static const luaL_Reg functions[] = {{"new", new_routes}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"add", add}, {"find", find}, {"matcher", matcher}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", routes_gc}, {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
