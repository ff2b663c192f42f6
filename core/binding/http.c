/* core.http: serving, and what the library's HTTP is made of. */
#include "binding/http_response.h"
#include "binding/modules.h"
#include "bytes/event_stream.h"
#include "bytes/http_date.h"
#include "bytes/percent.h"
#include "http/status.h"

#include <lauxlib.h>

/* http.phrase(status) -> "Not Found" */
static int phrase(lua_State *L) {
    lua_pushstring(L, http_status_phrase((int)luaL_checkinteger(L, 1)));
    return 1;
}

/* http.date(seconds since 1970) -> "Sun, 06 Nov 1994 08:49:37 GMT" */
static int date(lua_State *L) {
    char text[HTTP_DATE_SIZE];
    http_date_write(text, luaL_checkinteger(L, 1));
    lua_pushstring(L, text);
    return 1;
}

static int push_text(lua_State *L, struct text *text, int failed) {
    if (!failed) lua_pushlstring(L, text->bytes ? text->bytes : "", text->length);
    text_destroy(text);
    return failed ? luaL_error(L, "not enough memory") : 1;
}

static struct span check_event_field(lua_State *L, int argument) {
    struct span value = {luaL_optlstring(L, argument, NULL, NULL), 0};
    if (value.bytes) value.bytes = lua_tolstring(L, argument, &value.length);
    luaL_argcheck(L, event_field_is_valid(value), argument, "it must have no line end");
    return value;
}

/* http.event(data, name, id, retry in milliseconds) -> a server-sent event */
static int event(lua_State *L) {
    struct event new = {.retry = luaL_optinteger(L, 4, -1)};
    struct text out = {0};
    new.data.bytes = luaL_checklstring(L, 1, &new.data.length);
    new.name = check_event_field(L, 2);
    new.id = check_event_field(L, 3);
    return push_text(L, &out, event_append(&out, &new));
}

/* http.part(data, type) -> a part of multipart/x-mixed-replace; without data, what comes before the first */
static int part(lua_State *L) {
    struct text out = {0};
    struct span type, data;
    if (lua_isnoneornil(L, 1)) return push_text(L, &out, part_append_start(&out));
    data.bytes = luaL_checklstring(L, 1, &data.length);
    type.bytes = luaL_checklstring(L, 2, &type.length);
    luaL_argcheck(L, http_is_field_value(type.bytes, type.length), 2, "it must have no control characters");
    return push_text(L, &out, part_append(&out, type, data));
}

/* http.decode(text) -> without its percent-encoding */
static int decode(lua_State *L) {
    struct span text;
    text.bytes = luaL_checklstring(L, 1, &text.length);
    http_push_decoded(L, text, lua_toboolean(L, 2));
    return 1;
}

/* http.encode(text) -> percent-encoded as a component of a URL */
static int encode(lua_State *L) {
    size_t length;
    struct text out = {0};
    const char *bytes = luaL_checklstring(L, 1, &length);
    return push_text(L, &out, percent_encode(&out, bytes, length));
}

/* http.pairs_of(text) -> a list of name, value, name, value ...: of a query or a form, decoded */
static int pairs_of(lua_State *L) {
    size_t length, position = 0;
    const char *bytes = luaL_checklstring(L, 1, &length);
    struct form_pair pair;
    lua_Integer count = 0;
    lua_newtable(L);
    while (form_next(bytes, length, &position, &pair)) {
        const struct span *spans[] = {&pair.name, &pair.value};
        for (int i = 0; i < 2; i++) {
            http_push_decoded(L, *spans[i], 1);
            lua_rawseti(L, -2, ++count);
        }
    }
    return 1;
}

/* core.http.Request: the methods of requests, for the library to add its own; core.http.Response: the class of response
 * objects, plain tables. */
int luaopen_core_http(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"listen", http_listen}, {"probe", http_probe}, {"phrase", phrase}, {"date", date},         {"event", event},
        {"part", part},          {"decode", decode},    {"encode", encode}, {"pairs_of", pairs_of}, {NULL, NULL}};
    luaL_newlib(L, functions);
    http_request_open(L);
    lua_setfield(L, -2, "Request");
    luaL_newmetatable(L, HTTP_RESPONSE_CLASS);
    lua_setfield(L, -2, "Response");
    return 1;
}
