/* The tables of a request: its header fields, its query, its cookies. */
#include "binding/http_request.h"
#include "bytes/cookie.h"
#include "bytes/percent.h"

#include <ctype.h>
#include <string.h>

void http_push_decoded(lua_State *L, struct span text, int is_form) {
    luaL_Buffer buffer;
    char *to = luaL_buffinitsize(L, &buffer, text.length);
    luaL_pushresultsize(&buffer, percent_decode(to, text.bytes, text.length, is_form));
}

static void push_lower(lua_State *L, const char *bytes, size_t length) {
    luaL_Buffer buffer;
    char *lower = luaL_buffinitsize(L, &buffer, length);
    for (size_t i = 0; i < length; i++) lower[i] = (char)tolower((unsigned char)bytes[i]);
    luaL_pushresultsize(&buffer, length);
}

static int headers_index(lua_State *L) {
    size_t length;
    const char *name = lua_tolstring(L, 2, &length);
    if (!name) return 0;
    push_lower(L, name, length);
    lua_rawget(L, 1);
    return 1;
}

void http_request_push_headers(lua_State *L, const struct http_request *request) {
    const char *bytes = http_request_bytes(request);
    lua_createtable(L, 0, request->head.count);
    for (int i = 0; i < request->head.count; i++) {
        const struct http_field *field = &request->head.fields[i];
        push_lower(L, bytes + field->name.start, field->name.length);
        lua_pushvalue(L, -1);
        int is_cookie = strcmp(lua_tostring(L, -1), "cookie") == 0;
        if (lua_rawget(L, -3) != LUA_TNIL) lua_pushstring(L, is_cookie ? "; " : ", ");
        lua_pushlstring(L, bytes + field->value.start, field->value.length);
        if (lua_type(L, -2) == LUA_TSTRING) lua_concat(L, 3);
        else lua_remove(L, -2);
        lua_rawset(L, -3);
    }
    if (luaL_newmetatable(L, "perigee.http.headers")) {
        lua_pushcfunction(L, headers_index);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
}

/* The first value of a name counts. */
static void set_first(lua_State *L, struct span value, int is_form) {
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
        lua_pop(L, 1);
        http_push_decoded(L, value, is_form);
        lua_rawset(L, -3);
    } else {
        lua_pop(L, 2);
    }
}

static int next_of_query(const struct http_request *request, size_t *position, struct form_pair *pair) {
    struct http_span query = request->head.query;
    return form_next(http_request_bytes(request) + query.start, query.length, position, pair);
}

void http_request_push_query(lua_State *L, const struct http_request *request) {
    struct form_pair pair;
    size_t position = 0;
    lua_newtable(L);
    while (next_of_query(request, &position, &pair)) {
        http_push_decoded(L, pair.name, 1);
        set_first(L, pair.value, 1);
    }
}

void http_request_push_cookies(lua_State *L, const struct http_request *request) {
    const char *bytes = http_request_bytes(request);
    lua_newtable(L);
    for (int i = -1; (i = http_head_find_field(&request->head, bytes, "cookie", 6, i + 1)) >= 0;) {
        struct http_span value = request->head.fields[i].value;
        struct cookie cookie;
        size_t position = 0;
        while (cookie_next(bytes + value.start, value.length, &position, &cookie)) {
            lua_pushlstring(L, cookie.name.bytes, cookie.name.length);
            set_first(L, cookie.value, 0);
        }
    }
}

/* request:query_values(name) -> every value that the query has for it, in order */
int http_request_query_values(lua_State *L) {
    struct http_request *request = http_request_check(L, 1);
    luaL_checkstring(L, 2);
    struct form_pair pair;
    size_t position = 0;
    lua_newtable(L);
    while (next_of_query(request, &position, &pair)) {
        http_push_decoded(L, pair.name, 1);
        int same = lua_rawequal(L, -1, 2);
        lua_pop(L, 1);
        if (!same) continue;
        http_push_decoded(L, pair.value, 1);
        lua_rawseti(L, -2, luaL_len(L, -2) + 1);
    }
    return 1;
}
