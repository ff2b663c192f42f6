/* core.http: the class of requests, its properties. */
#include "binding/http_request.h"
#include "binding/address.h"
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "binding/tls.h"

#include <math.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

static const char CLASS[] = "perigee.http.request";

/* The metatable has a reference of its own: its name would have to be looked up for every request. */
struct http_request *http_request_test(lua_State *L, int index) {
    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return NULL;
    lua_rawgeti(L, LUA_REGISTRYINDEX, runtime_of(L)->request_class);
    int same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same ? lua_touserdata(L, index) : NULL;
}

struct http_request *http_request_check(lua_State *L, int argument) {
    struct http_request *request = http_request_test(L, argument);
    return request ? request : luaL_checkudata(L, argument, CLASS);
}

struct http_request *http_request_new(lua_State *L, struct http_connection *client, const struct http_head *head,
                                      const char *bytes) {
    size_t fields = offsetof(struct http_head, fields) + head->count * sizeof *head->fields;
    size_t before = offsetof(struct http_request, head);
    struct http_request *request = lua_newuserdatauv(L, before + fields + head->size, REQUEST_VALUES);
    memset(request, 0, before);
    memcpy(&request->head, head, fields);
    memcpy((char *)request + before + fields, bytes, head->size);
    lua_rawgeti(L, LUA_REGISTRYINDEX, runtime_of(L)->request_class);
    lua_setmetatable(L, -2);
    request->client = client;
    request->peer = client->peer;
    request->began = client->server->loop->now;
    client->exchange = request;
    return request;
}

void http_request_detach(lua_State *L, struct http_request *request) {
    if (!request->client) return;
    request->client->exchange = NULL;
    request->client = NULL;
    http_hooks_drop(L, request->hooks);
}

/* Strings of the head. */

static void push_span(lua_State *L, const struct http_request *request, struct http_span span) {
    lua_pushlstring(L, http_request_bytes(request) + span.start, span.length);
}

static void push_path(lua_State *L, const struct http_request *request) {
    struct http_span path = request->head.path;
    const char *bytes = http_request_bytes(request) + path.start;
    if (!path.length) lua_pushliteral(L, "/");
    else if (memchr(bytes, '%', path.length)) http_push_decoded(L, (struct span){bytes, path.length}, 0);
    else lua_pushlstring(L, bytes, path.length);
}

const char *http_request_field(const struct http_request *request, const char *name, size_t *length) {
    const char *bytes = http_request_bytes(request);
    int i = http_head_find_field(&request->head, bytes, name, strlen(name), 0);
    if (i < 0) return NULL;
    *length = request->head.fields[i].value.length;
    return bytes + request->head.fields[i].value.start;
}

/* request:header(name) -> its value, or nil; of several fields, joined as RFC 9110 5.3 says */
static int request_header(lua_State *L) {
    struct http_request *request = http_request_check(L, 1);
    size_t length;
    const char *name = luaL_checklstring(L, 2, &length), *bytes = http_request_bytes(request);
    int found = 0;
    for (int i = -1; (i = http_head_find_field(&request->head, bytes, name, length, i + 1)) >= 0; found++) {
        if (found) lua_pushstring(L, length == 6 && (name[0] | 32) == 'c' ? "; " : ", "); /* only Cookie differs */
        push_span(L, request, request->head.fields[i].value);
        if (found) lua_concat(L, 3);
    }
    if (!found) lua_pushnil(L);
    return 1;
}

/* Pushes the table of user values; makes it when it is wanted and not there. */
static int push_own(lua_State *L, int wanted) {
    if (lua_getiuservalue(L, 1, REQUEST_OWN) == LUA_TTABLE) return 1;
    lua_pop(L, 1);
    if (!wanted) return 0;
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, REQUEST_OWN);
    return 1;
}

int http_request_keep(lua_State *L, const char *name) {
    push_own(L, 1);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
    return 1;
}

int http_request_get_kept(lua_State *L, const char *name) {
    if (push_own(L, 0) && lua_getfield(L, -1, name) != LUA_TNIL) return 1;
    lua_settop(L, 1);
    return 0;
}

/* Properties. */

void http_request_push_peer(lua_State *L, const struct http_request *request) {
    struct endpoint peer;
    if (endpoint_unpack(&request->peer, &peer) == 0) address_push(L, SCHEME_HTTP, &peer);
    else lua_pushnil(L);
}

static void push_id(lua_State *L, struct http_request *request) {
    char text[17];
    while (!request->id)
        if (RAND_bytes((unsigned char *)&request->id, sizeof request->id) != 1) luaL_error(L, "no random bytes");
    snprintf(text, sizeof text, "%016llx", (unsigned long long)request->id);
    lua_pushstring(L, text);
}

enum property {
    PROPERTY_METHOD = 1,
    PROPERTY_PATH,
    PROPERTY_TARGET,
    PROPERTY_HOST,
    PROPERTY_VERSION,
    PROPERTY_QUERY,
    PROPERTY_QUERY_STRING,
    PROPERTY_HEADERS,
    PROPERTY_COOKIES,
    PROPERTY_PARAMS,
    PROPERTY_PEER,
    PROPERTY_ID,
    PROPERTY_LENGTH,
    PROPERTY_IS_OPEN,
    PROPERTY_ELAPSED,
    PROPERTY_TLS
};

static const char *const properties[] = {
    [PROPERTY_METHOD] = "method",   [PROPERTY_PATH] = "path",       [PROPERTY_TARGET] = "target",
    [PROPERTY_HOST] = "host",       [PROPERTY_VERSION] = "version", [PROPERTY_QUERY] = "query",
    [PROPERTY_HEADERS] = "headers", [PROPERTY_COOKIES] = "cookies", [PROPERTY_PARAMS] = "params",
    [PROPERTY_PEER] = "peer",       [PROPERTY_ID] = "id",           [PROPERTY_LENGTH] = "length",
    [PROPERTY_IS_OPEN] = "is_open", [PROPERTY_ELAPSED] = "elapsed", [PROPERTY_QUERY_STRING] = "query_string",
    [PROPERTY_TLS] = "tls",
};

static void push_query_string(lua_State *L, const struct http_request *request) {
    if (request->head.has_query) push_span(L, request, request->head.query);
    else lua_pushnil(L);
}

/* Those of the route, or none. */
static int push_params(lua_State *L) {
    if (lua_getiuservalue(L, 1, REQUEST_PARAMS) == LUA_TTABLE) return 1;
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, REQUEST_PARAMS);
    return 1;
}

static int push_property(lua_State *L, struct http_request *request, enum property property) {
    switch (property) {
    case PROPERTY_METHOD: push_span(L, request, request->head.method); return 1;
    case PROPERTY_PATH: push_path(L, request); return 1;
    case PROPERTY_TARGET: push_span(L, request, request->head.target); return 1;
    case PROPERTY_HOST: push_span(L, request, request->head.host); return 1;
    case PROPERTY_VERSION: lua_pushstring(L, request->head.minor ? "1.1" : "1.0"); return 1;
    case PROPERTY_QUERY_STRING: push_query_string(L, request); return 1;
    case PROPERTY_QUERY: http_request_push_query(L, request); return http_request_keep(L, "query");
    case PROPERTY_HEADERS: http_request_push_headers(L, request); return http_request_keep(L, "headers");
    case PROPERTY_COOKIES: http_request_push_cookies(L, request); return http_request_keep(L, "cookies");
    case PROPERTY_PARAMS: return push_params(L);
    case PROPERTY_PEER: http_request_push_peer(L, request); return 1;
    case PROPERTY_ID: push_id(L, request); return 1;
    case PROPERTY_LENGTH:
        if (request->head.has_length) lua_pushinteger(L, (lua_Integer)request->head.length);
        else lua_pushnil(L);
        return 1;
    case PROPERTY_IS_OPEN: lua_pushboolean(L, request->client && request->client->io.open); return 1;
    case PROPERTY_TLS:
        if (request->client) tls_push_session(L, &request->client->io);
        else lua_pushnil(L);
        return http_request_keep(L, "tls");
    case PROPERTY_ELAPSED: lua_pushnumber(L, runtime_of(L)->loop.now - request->began); return 1;
    }
    return 0;
}

/* What a script has set on it, or what was made before; then methods and properties. */
static int request_index(lua_State *L) {
    struct http_request *request = http_request_check(L, 1);
    if (push_own(L, 0)) {
        lua_pushvalue(L, 2);
        if (lua_rawget(L, -2) != LUA_TNIL) return 1;
        lua_pop(L, 2);
    }
    if (!support_index_method(L)) return 0;
    if (lua_type(L, -1) != LUA_TNUMBER) return 1;
    int property = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return push_property(L, request, (enum property)property);
}

/* A script may keep its own on a request: request.user = name */
static int request_newindex(lua_State *L) {
    http_request_check(L, 1);
    push_own(L, 1);
    lua_insert(L, 2);
    lua_rawset(L, 2);
    return 0;
}

static int request_tostring(lua_State *L) {
    struct http_request *request = http_request_check(L, 1);
    push_span(L, request, request->head.method);
    push_span(L, request, request->head.target);
    lua_pushfstring(L, "request: %s %s", lua_tostring(L, -2), lua_tostring(L, -1));
    return 1;
}

void http_request_open(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"header", request_header}, {"query_values", http_request_query_values}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__index", request_index}, {"__newindex", request_newindex}, {"__tostring", request_tostring}, {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_getmetatable(L, CLASS);
    lua_pushvalue(L, -1);
    runtime_of(L)->request_class = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, -1, "__index");
    lua_getupvalue(L, -1, 1);
    luaL_setfuncs(L, http_request_body_methods, 0);
    for (int i = 1; i < (int)(sizeof properties / sizeof *properties); i++) {
        lua_pushinteger(L, i);
        lua_setfield(L, -2, properties[i]);
    }
    lua_replace(L, -3);
    lua_pop(L, 1); /* the methods stay, for the library to add its own */
}
