/* Becoming a WebSocket: the upgrade of a request (RFC 6455 4.2), and the client's side of the handshake's end. */
#include "binding/connection.h"
#include "binding/http_response.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "binding/websocket.h"

#include <ctype.h>
#include <string.h>

enum { KEY_LENGTH = 24 /* of 16 bytes in base64 */ };

/* No context is kept between messages, so that an idle socket has no memory of zlib's. */
static const struct websocket_deflate_terms TERMS = {
    .server_no_context = 1, .client_no_context = 1, .server_bits = 15, .client_bits = 15};

static int refuse(lua_State *L, struct http_request *request, struct http_response *response, int status,
                  const char *what) {
    response->fields->length = 0;
    response->answer.status = status;
    response->answer.framing = HTTP_FRAMING_LENGTH;
    response->answer.length = strlen(what);
    http_response_add(L, response, "Content-Type", "text/plain; charset=utf-8");
    if (status == 426) {
        http_response_add(L, response, "Sec-WebSocket-Version", "13");
        http_response_add(L, response, "Upgrade", "websocket");
        http_response_add(L, response, "Connection", "Upgrade");
    }
    http_response_send(L, request, response);
    if (http_connection_sends_body(request->client)) connection_write_copy(&request->client->io, what, strlen(what));
    return 0;
}

static int field_is(const struct http_request *request, const char *name, const char *wanted) {
    size_t length;
    const char *value = http_request_field(request, name, &length);
    return value && http_list_has(value, length, wanted);
}

/* There is one, and it is base64. */
static int has_key(const struct http_request *request) {
    static const char name[] = "sec-websocket-key";
    const char *bytes = http_request_bytes(request), *key;
    int i = http_head_find_field(&request->head, bytes, name, sizeof name - 1, 0);
    if (i < 0 || http_head_find_field(&request->head, bytes, name, sizeof name - 1, i + 1) >= 0) return 0;
    key = bytes + request->head.fields[i].value.start;
    if (request->head.fields[i].value.length != KEY_LENGTH || memcmp(key + KEY_LENGTH - 2, "==", 2) != 0) return 0;
    for (i = 0; i < KEY_LENGTH - 2; i++)
        if (!isalnum((unsigned char)key[i]) && key[i] != '+' && key[i] != '/') return 0;
    return 1;
}

/* What is wrong with the request, or NULL. */
static const char *fault_of(const struct http_request *request, int *status) {
    *status = 426;
    if (!request->head.minor || !request->head.upgrades || !field_is(request, "upgrade", "websocket"))
        return "a WebSocket is served here: upgrade to it (RFC 6455)\n";
    if (!field_is(request, "sec-websocket-version", "13")) return "version 13 of WebSocket is served here (RFC 6455)\n";
    *status = 400;
    if (!http_span_equals(request->head.method, http_request_bytes(request), "GET", 3))
        return "a WebSocket begins with GET\n";
    if (request->head.chunked || request->head.length) return "a WebSocket begins without a body\n";
    return has_key(request) ? NULL : "the Sec-WebSocket-Key is not 16 bytes in base64\n";
}

/* The first of the client's offers that is acceptable, of however many fields; 0 when there is none. */
static int accept_offer(const struct http_request *request, struct websocket_deflate_terms *agreed,
                        struct text *answer) {
    static const char name[] = "sec-websocket-extensions";
    const char *bytes = http_request_bytes(request);
    int accepted = 0;
    for (int i = -1;
         !accepted && (i = http_head_find_field(&request->head, bytes, name, sizeof name - 1, i + 1)) >= 0;) {
        struct http_span offers = request->head.fields[i].value;
        accepted = websocket_deflate_accept(bytes + offers.start, offers.length, &TERMS, agreed, answer);
    }
    return accepted == 1 && text_append(answer, "", 1) == 0;
}

static void agree_on_deflate(lua_State *L, struct http_request *request, struct http_response *response,
                             struct websocket *socket) {
    struct text answer = {0};
    struct websocket_deflate_terms agreed;
    if (accept_offer(request, &agreed, &answer) && websocket_set_deflate(socket, &agreed, websocket_memory_of(L)) == 0)
        http_response_add(L, response, "Sec-WebSocket-Extensions", answer.bytes);
    text_destroy(&answer);
}

static void send_switch(lua_State *L, struct http_request *request, struct http_response *response) {
    size_t length;
    char value[WEBSOCKET_ACCEPT_SIZE];
    const char *key = http_request_field(request, "sec-websocket-key", &length);
    websocket_accept_value(key, length, value);
    response->answer.status = 101;
    http_response_add(L, response, "Upgrade", "websocket");
    http_response_add(L, response, "Connection", "Upgrade");
    http_response_add(L, response, "Sec-WebSocket-Accept", value);
    http_response_send(L, request, response);
}

/* The handler in a task of its own, so that nothing of the request's is kept by an idle socket. */
static struct task *new_handler(lua_State *L, struct listener_object *listener, struct websocket_object *socket) {
    struct task *task = task_new(L, listener->scope);
    lua_getfield(L, HTTP_RESPONSE, "handler");
    luaL_checktype(L, -1, LUA_TFUNCTION);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, HTTP_REQUEST);
    lua_xmove(L, task->L, 3);
    task->kind = TASK_WEBSOCKET;
    task->ended = websocket_on_handler_ended;
    task->ended_context = socket;
    lua_getfield(L, HTTP_RESPONSE, "options");
    if (support_option_boolean(L, lua_gettop(L), "finish", 0)) task->courtesy = TASK_TO_RETIRE;
    else task->endless = 1;
    lua_pop(L, 1);
    socket->handler = task;
    socket->listener = listener;
    return task;
}

/* The response at 2 has kind = "websocket", handler, and options. */
int http_send_websocket(lua_State *L, struct http_request *request, struct http_response *response) {
    struct http_connection *client = request->client;
    int status;
    const char *fault = fault_of(request, &status);
    if (fault) return refuse(L, request, response, status, fault);
    int options = (lua_getfield(L, HTTP_RESPONSE, "options"), lua_gettop(L));
    struct websocket_object *socket = websocket_new(L);
    websocket_read_options(L, options, socket);
    if (support_option_boolean(L, options, "compress", 1)) agree_on_deflate(L, request, response, &socket->io);
    send_switch(L, request, response);
    client->broken = 1; /* unless it is handed over: it speaks HTTP no more */
    socket->peer = client->peer;
    http_request_part(L, request);
    struct task *task = new_handler(L, http_listener_of(client), socket);
    task_of(L)->ended = NULL;
    float ping = socket->io.io.timeout;
    http_connection_hand_over(client, &socket->io.io);
    socket->io.io.timeout = ping;
    task_schedule(task);
    return 0;
}

/* websocket.client(connection, options, extensions) -> socket: takes the connection over once the server has answered 101;
 * `extensions` is what it said to our offer, or nil. Fails when that is no answer to it. */
int websocket_connect(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    size_t length;
    const char *answer = luaL_optlstring(L, 3, NULL, &length);
    struct websocket_deflate_terms agreed;
    if (!connection->io.open) return support_fail(L, "closed", "open a WebSocket: the connection is closed");
    if (connection->io.reader || connection->io.writer || connection->io.members)
        return luaL_error(L, "another task or a fan-out is using this connection");
    if (answer && websocket_deflate_confirm(answer, length, &TERMS, &agreed) < 0)
        return support_fail(L, "protocol", "open a WebSocket: the server's extensions were not offered: %s", answer);
    struct websocket_object *socket = websocket_new(L);
    socket->io.is_client = 1;
    socket->peer = connection->peer;
    websocket_read_options(L, 2, socket);
    if (answer && websocket_set_deflate(&socket->io, &agreed, websocket_memory_of(L)) < 0)
        return luaL_error(L, "not enough memory");
    connection_move(&socket->io.io, &connection->io);
    websocket_read_options(L, 2, socket); /* the timeout came with the connection */
    return 1;
}

/* websocket.check(options): raises for a limit, ping, compress or finish that cannot be. */
int websocket_check_options(lua_State *L) {
    struct websocket_object unused;
    luaL_checktype(L, 1, LUA_TTABLE);
    websocket_read_options(L, 1, &unused);
    support_option_boolean(L, 1, "compress", 1);
    support_option_boolean(L, 1, "finish", 0);
    return 0;
}

/* websocket.offer() -> the value of Sec-WebSocket-Extensions for a client */
int websocket_offer(lua_State *L) {
    char offer[WEBSOCKET_OFFER_MAX];
    lua_pushlstring(L, offer, websocket_deflate_offer(offer, &TERMS));
    return 1;
}
