/* A request's body in Lua. It is read while it comes; whoever asks waits, as long as the peer keeps sending. */
#include "binding/http_request.h"
#include "binding/json.h"
#include "binding/runtime.h"
#include "binding/support.h"

#include <string.h>

static int interrupt_read(struct task *task, void *subject) {
    connection_forget(subject, &task->waiter);
    return 1;
}

static int park(lua_State *L, struct http_connection *client, lua_KFunction step) {
    struct task *task = task_begin_wait(L, "read the body");
    if (client->io.reader && client->io.reader != &client->reader)
        return luaL_error(L, "another task is reading this request's body");
    connection_await_input(&client->io, &task->waiter);
    return task_wait(L, task, http_connection_body_deadline(client), interrupt_read, &client->io, 0, step);
}

static int fail(lua_State *L, const struct http_problem *problem) {
    const char *code = problem->status == 0 ? "closed" : problem->status == 413 ? "limit" : "protocol";
    return support_fail(L, code, "read the body: %s", problem->what);
}

static int time_out(lua_State *L, const struct http_request *request) {
    if (request->client) http_connection_watch_again(request->client);
    return support_fail(L, "timeout", "read the body: the peer sends too slowly");
}

/* What the head says already: a body that is too long is not waited for. */
static int check_length(lua_State *L, struct http_request *request) {
    struct http_connection *client = request->client;
    if (!client) return support_fail(L, "closed", "read the body: the request has been answered");
    if (request->head.has_length && request->head.length > client->body_limit)
        return support_fail(L, "limit", "read the body: %I bytes are more than the limit of %I",
                            (LUAI_UACINT)request->head.length, (LUAI_UACINT)client->body_limit);
    return 0;
}

/* request:read_some() -> the next bytes; nil at the end; nil, message, code */

static int read_some_step(lua_State *L, int resumed, lua_KContext context) {
    struct http_request *request = http_request_check(L, 1);
    struct http_problem problem;
    const char *bytes;
    size_t count;
    (void)context;
    if (resumed == LUA_YIELD && task_woken(L)) return time_out(L, request);
    if (!request->client) return check_length(L, request);
    enum http_body_status status = http_connection_read_body(request->client, &bytes, &count, &problem);
    if (status == HTTP_BODY_MORE) return park(L, request->client, read_some_step);
    if (status == HTTP_BODY_DATA) lua_pushlstring(L, bytes, count);
    http_connection_watch_again(request->client); /* the bytes may be moved by it */
    if (status == HTTP_BODY_END) lua_pushnil(L);
    return status == HTTP_BODY_BAD ? fail(L, &problem) : 1;
}

static int read_some(lua_State *L) {
    struct http_request *request = http_request_check(L, 1);
    int failed = check_length(L, request);
    if (failed) return failed;
    request->taken = 1;
    return read_some_step(L, LUA_OK, 0);
}

/* request:body() -> all of it, the same string each time; nil, message, code */

enum { BODY_REQUEST = 1, BODY_PIECES };

static int body_step(lua_State *L, int resumed, lua_KContext context) {
    struct http_request *request = http_request_check(L, 1);
    struct text *pieces = lua_touserdata(L, BODY_PIECES);
    struct http_problem problem;
    const char *bytes;
    size_t count;
    (void)context;
    if (resumed == LUA_YIELD && task_woken(L)) return time_out(L, request);
    for (;;) {
        if (!request->client) return check_length(L, request);
        switch (http_connection_read_body(request->client, &bytes, &count, &problem)) {
        case HTTP_BODY_DATA:
            if (text_append(pieces, bytes, count) < 0) return luaL_error(L, "not enough memory");
            continue;
        case HTTP_BODY_MORE: return park(L, request->client, body_step);
        case HTTP_BODY_END: break;
        default: http_connection_watch_again(request->client); return fail(L, &problem);
        }
        http_connection_watch_again(request->client);
        lua_pushlstring(L, pieces->bytes ? pieces->bytes : "", pieces->length);
        text_destroy(pieces);
        lua_pushvalue(L, -1);
        return http_request_keep(L, "_body");
    }
}

static int pieces_gc(lua_State *L) {
    text_destroy(lua_touserdata(L, 1));
    return 0;
}

static void push_pieces(lua_State *L) {
    struct text *pieces = lua_newuserdatauv(L, sizeof *pieces, 0);
    *pieces = (struct text){0};
    if (luaL_newmetatable(L, "perigee.http.pieces")) {
        lua_pushcfunction(L, pieces_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
}

static int body(lua_State *L) {
    struct http_request *request = http_request_check(L, 1);
    lua_settop(L, 1);
    if (http_request_get_kept(L, "_body")) return 1;
    int failed = check_length(L, request);
    if (failed) return failed;
    if (request->taken) return luaL_error(L, "body: it has been read in pieces");
    push_pieces(L);
    return body_step(L, LUA_OK, 0);
}

/* request:json() -> the body's value; nil, message, code */

static int json_step(lua_State *L, int resumed, lua_KContext context) {
    size_t length;
    (void)resumed, (void)context;
    if (lua_isnil(L, 2)) return lua_gettop(L) - 1; /* why there is no body */
    const char *bytes = lua_tolstring(L, 2, &length);
    return json_decode(L, bytes, length, JSON_DEPTH);
}

static int json(lua_State *L) {
    http_request_check(L, 1);
    lua_settop(L, 1);
    lua_pushcfunction(L, body);
    lua_pushvalue(L, 1);
    lua_callk(L, 1, LUA_MULTRET, 0, json_step);
    return json_step(L, LUA_OK, 0);
}

/* request:limit_body(bytes) -> true, or false when it is said to be longer; nil: the limit that there is */
static int limit_body(lua_State *L) {
    struct http_request *request = http_request_check(L, 1);
    struct http_connection *client = request->client;
    if (!client) return lua_pushboolean(L, 0), 1;
    client->body_limit = support_check_size(L, 2, 0, client->body_limit);
    lua_pushboolean(L, !(request->head.has_length && request->head.length > client->body_limit));
    return 1;
}

const luaL_Reg http_request_body_methods[] = {
    {"read_some", read_some}, {"body", body}, {"json", json}, {"limit_body", limit_body}, {NULL, NULL}};
