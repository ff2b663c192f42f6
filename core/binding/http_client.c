/* core.http_client: one HTTP request at a time from each task. */
#include "io/http_client.h"
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "bytes/http_chars.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char CLASS[] = "perigee.http.transfer";

enum { BODY_LIMIT = 64 * 1024 * 1024, HEAD_LIMIT = 64 * 1024 /* bytes */ };

struct transfer_object {
    struct http_transfer *transfer; /* NULL: not begun, or over */
    struct waiter *waiter;
};

/* The seconds become the time at which it gives up. */
enum { REQUEST_OPTIONS = 1, REQUEST_SECONDS, REQUEST_SUBJECT, REQUEST_TRANSFER };

enum { VALUE_BODY = 1, VALUES = VALUE_BODY };

static struct http_client *client_of(lua_State *L) {
    struct runtime *runtime = runtime_of(L);
    char failure[256];
    if (!runtime->http_client) runtime->http_client = http_client_new(&runtime->loop, failure, sizeof failure);
    if (!runtime->http_client) luaL_error(L, "%s", failure);
    return runtime->http_client;
}

/* What the answer was. */

static int fail(lua_State *L, const char *code, const char *why) {
    return support_fail(L, code, "%s: %s", lua_tostring(L, REQUEST_SUBJECT), why);
}

static void push_lower(lua_State *L, const char *bytes, size_t length) {
    luaL_Buffer buffer;
    char *lower = luaL_buffinitsize(L, &buffer, length);
    for (size_t i = 0; i < length; i++) lower[i] = http_lower(bytes[i]);
    luaL_pushresultsize(&buffer, length);
}

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    return at;
}

static const char *trim_blanks(const char *from, const char *end) {
    while (end > from && (end[-1] == ' ' || end[-1] == '\t')) end--;
    return end;
}

/* Into the table on top; several fields of a name are joined (RFC 9110 5.3). */
static void add_field(lua_State *L, const char *line, const char *end) {
    const char *colon = memchr(line, ':', (size_t)(end - line));
    if (!colon) return;
    const char *value = skip_blanks(colon + 1, end);
    push_lower(L, line, (size_t)(trim_blanks(line, colon) - line));
    lua_pushvalue(L, -1);
    int is_first = lua_rawget(L, -3) == LUA_TNIL;
    if (is_first) lua_pop(L, 1);
    else lua_pushliteral(L, ", ");
    lua_pushlstring(L, value, (size_t)(trim_blanks(value, end) - value));
    if (!is_first) lua_concat(L, 3);
    lua_rawset(L, -3);
}

static void push_headers(lua_State *L, const struct text *head) {
    const char *at = head->bytes, *line_end;
    lua_newtable(L);
    if (!at) return; /* there were none */
    const char *end = at + head->length;
    for (; at < end; at = line_end + 1) {
        line_end = memchr(at, '\n', (size_t)(end - at));
        add_field(L, at, line_end);
    }
}

/* The bytes that the answer held are the strings' now. */
static int push_answer(lua_State *L, const struct http_client_answer *answer) {
    if (answer->code) return fail(L, answer->code, answer->why);
    lua_pushinteger(L, answer->status);
    lua_pushlstring(L, answer->body.bytes, answer->body.length);
    push_headers(L, &answer->head);
    lua_pushlstring(L, answer->head.bytes, answer->head.length);
    lua_pushstring(L, answer->location);
    return 5;
}

/* Waiting for it. */

static void object_end(struct transfer_object *object) {
    if (object->transfer) http_transfer_free(object->transfer);
    object->transfer = NULL;
    object->waiter = NULL;
}

static void object_on_done(void *context) {
    struct transfer_object *object = context;
    waiter_wake(&object->waiter, WAKE_LATER);
}

static int object_interrupt(struct task *task, void *subject) {
    struct transfer_object *object = subject;
    (void)task;
    object->waiter = NULL;
    http_transfer_stop(object->transfer);
    return 1;
}

static int request_step(lua_State *L, int resumed, lua_KContext context) {
    struct transfer_object *object = luaL_checkudata(L, REQUEST_TRANSFER, CLASS);
    (void)context;
    if (resumed == LUA_YIELD) task_woken(L); /* out of time, it was stopped */
    if (http_transfer_state(object->transfer) == TRANSFER_DONE) {
        int count = push_answer(L, http_transfer_answer(object->transfer));
        object_end(object);
        return count;
    }
    struct task *task = task_begin_wait(L, "request");
    object->waiter = &task->waiter;
    return task_wait(L, task, lua_tonumber(L, REQUEST_SECONDS), object_interrupt, object, 0, request_step);
}

/* Its options. */

static const char *option_string(lua_State *L, const char *name) {
    int type = lua_getfield(L, REQUEST_OPTIONS, name);
    if (type != LUA_TNIL && type != LUA_TSTRING) luaL_error(L, "option '%s' must be a string", name);
    return lua_tostring(L, -1);
}

/* As C has it, which a zero byte would cut. */
static const char *option_text(lua_State *L, const char *name) {
    const char *text = option_string(L, name);
    if (text && strlen(text) != lua_rawlen(L, -1)) luaL_error(L, "option '%s' has a zero byte in it", name);
    return text;
}

typedef int add_line(struct http_transfer *transfer, const char *line);

static void read_lines(lua_State *L, const char *name, struct http_transfer *transfer, add_line *add) {
    int type = lua_getfield(L, REQUEST_OPTIONS, name);
    if (type == LUA_TNIL) return;
    if (type != LUA_TTABLE) luaL_error(L, "option '%s' must be a list of strings", name);
    for (lua_Integer i = 1, count = luaL_len(L, -1); i <= count; i++) {
        lua_geti(L, -1, i);
        if (add(transfer, luaL_checkstring(L, -1)) < 0) luaL_error(L, "not enough memory");
        lua_pop(L, 1);
    }
}

static void read_options(lua_State *L, struct http_client_request *request) {
    request->method = option_text(L, "method");
    request->url = option_text(L, "url");
    request->proxy = option_text(L, "proxy");
    request->unix_path = option_text(L, "unix");
    request->ca = option_text(L, "ca");
    request->certificate = option_text(L, "certificate");
    request->key = option_text(L, "key");
    request->password = option_text(L, "password");
    request->trusts_all = !support_option_boolean(L, REQUEST_OPTIONS, "verify", 1);
    request->keeps_encoding = support_option_boolean(L, REQUEST_OPTIONS, "keeps_encoding", 0);
    request->body_limit = (size_t)support_option_integer(L, REQUEST_OPTIONS, "limit", 0, PTRDIFF_MAX, BODY_LIMIT);
    request->head_limit = (size_t)support_option_integer(L, REQUEST_OPTIONS, "head_limit", 0, PTRDIFF_MAX, HEAD_LIMIT);
    request->body = option_string(L, "body");
    request->body_size = request->body ? lua_rawlen(L, -1) : 0;
    lua_setiuservalue(L, REQUEST_TRANSFER, VALUE_BODY);
}

/* http_client.request(options, seconds, subject) -> status, body, headers, head, location; or nil, message, code */
static int request(lua_State *L) {
    struct http_client_request request = {0};
    luaL_checktype(L, REQUEST_OPTIONS, LUA_TTABLE);
    lua_Number seconds = support_check_seconds(L, REQUEST_SECONDS, INFINITY);
    luaL_checkstring(L, REQUEST_SUBJECT);
    lua_settop(L, REQUEST_SUBJECT);
    task_begin_wait(L, "request");
    lua_pushnumber(L, runtime_of(L)->loop.now + seconds);
    lua_replace(L, REQUEST_SECONDS);
    struct http_client *client = client_of(L);
    struct transfer_object *object = support_new(L, CLASS, sizeof *object, VALUES);
    object->transfer = http_transfer_new(client, object_on_done, object);
    if (!object->transfer) return luaL_error(L, "not enough memory");
    luaL_checkstack(L, 32, NULL);
    read_lines(L, "headers", object->transfer, http_transfer_add_header);
    read_lines(L, "resolve", object->transfer, http_transfer_add_addresses);
    read_options(L, &request);
    int started = http_transfer_start(object->transfer, &request);
    lua_settop(L, REQUEST_TRANSFER);
    if (started < 0) return push_answer(L, http_transfer_answer(object->transfer));
    return request_step(L, LUA_OK, 0);
}

static int transfer_gc(lua_State *L) {
    object_end(luaL_checkudata(L, 1, CLASS));
    return 0;
}

/* http_client.parse(url) -> scheme, host, port, url without user and password; or nil, message, code */
static int parse(lua_State *L) {
    char failure[128];
    size_t length;
    const char *url = luaL_checklstring(L, 1, &length);
    if (strlen(url) != length) return support_fail(L, "protocol", "URL '%s': a zero byte follows", url);
    struct http_client_place *place = http_client_parse(client_of(L), url, failure, sizeof failure);
    if (!place) return support_fail(L, "protocol", "URL '%s': %s", url, failure);
    lua_pushstring(L, place->scheme);
    lua_pushstring(L, place->host);
    lua_pushinteger(L, atoi(place->port));
    lua_pushstring(L, place->url);
    free(place);
    return 4;
}

/* http_client.close_idle(): closes the connections that no request uses, now or when none is under way */
static int close_idle(lua_State *L) {
    struct http_client *client = runtime_of(L)->http_client;
    if (client) http_client_close_idle(client);
    return 0;
}

int luaopen_core_http_client(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"request", request}, {"parse", parse}, {"close_idle", close_idle}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", transfer_gc}, {NULL, NULL}};
    support_class(L, CLASS, NULL, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
