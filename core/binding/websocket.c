/* core.websocket: the class. A socket is closed when its handler ends: with 1000, or 1011 when the handler has failed, or
 * 1001 when the server stops. */
#include "binding/websocket.h"
#include "binding/address.h"
#include "binding/connection.h"
#include "binding/modules.h"
#include "binding/output.h"
#include "binding/runtime.h"
#include "binding/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char CLASS[] = "perigee.websocket";

enum { CODE_NORMAL = 1000, CODE_GOING_AWAY = 1001, CODE_FAILED = 1011 };

static const double WRITE_SECONDS = 60; /* in which a slow peer has to take something */

static struct websocket_object *check(lua_State *L) {
    return luaL_checkudata(L, 1, CLASS);
}

struct websocket_object *websocket_test(lua_State *L, int index) {
    return luaL_testudata(L, index, CLASS);
}

struct websocket_object *websocket_new(lua_State *L) {
    struct websocket_object *socket = support_new(L, CLASS, sizeof *socket, 0);
    socket->io.io.stream.fd = -1;
    return socket;
}

struct websocket_memory *websocket_memory_of(lua_State *L) {
    struct runtime *runtime = runtime_of(L);
    if (runtime->websockets) return runtime->websockets;
    runtime->websockets = malloc(sizeof *runtime->websockets);
    if (!runtime->websockets) luaL_error(L, "not enough memory");
    websocket_memory_init(runtime->websockets);
    return runtime->websockets;
}

void websocket_read_options(lua_State *L, int index, struct websocket_object *socket) {
    socket->io.limit = (uint32_t)support_option_integer(L, index, "limit", 1, INT32_MAX, WEBSOCKET_LIMIT);
    socket->io.io.timeout = (float)support_option_seconds(L, index, "ping", 30);
}

/* The end. */

/* Why it ended; 0: it has not. One that something else has cut off, a fan-out, has not been told. */
static unsigned close_code_of(const struct websocket_object *socket) {
    if (socket->io.close_code || socket->io.io.open) return socket->io.close_code;
    return WEBSOCKET_ABNORMAL;
}

static void finish(struct websocket_object *socket, unsigned code, const char *reason, size_t length) {
    if (!close_code_of(socket)) socket->io.close_code = (uint16_t)code;
    websocket_send_close(&socket->io, code, reason, length);
    connection_close(&socket->io.io);
}

void websocket_on_handler_ended(struct task *task, void *context) {
    struct websocket_object *socket = context;
    socket->handler = NULL;
    finish(socket,
           task->cancelled                ? CODE_GOING_AWAY
           : task->outcome == TASK_FAILED ? CODE_FAILED
                                          : CODE_NORMAL,
           NULL, 0);
    listener_on_connection_ended(socket->listener);
}

static void on_lone_handler_ended(struct task *task, void *context) {
    (void)task;
    listener_on_connection_ended(context);
}

static int websocket_gc(lua_State *L) {
    struct websocket_object *socket = check(L);
    if (socket->handler) {
        socket->handler->ended = on_lone_handler_ended;
        socket->handler->ended_context = socket->listener;
    }
    finish(socket, CODE_NORMAL, NULL, 0);
    websocket_destroy(&socket->io);
    return 0;
}

/* socket:close(code, reason): the closing handshake goes on in the background */
static int websocket_close(lua_State *L) {
    struct websocket_object *socket = check(L);
    struct utf8 utf8 = {0};
    size_t length;
    lua_Integer code = luaL_optinteger(L, 2, CODE_NORMAL);
    const char *reason = luaL_optlstring(L, 3, "", &length);
    luaL_argcheck(L, code >= 0 && code <= 4999 && websocket_close_code_is_valid((unsigned)code), 2,
                  "no close code that may be sent (RFC 6455 7.4)");
    luaL_argcheck(L, length <= WEBSOCKET_CONTROL_MAX - 2, 3, "the reason has more than 123 bytes");
    luaL_argcheck(L, utf8_check(&utf8, reason, length) == 0 && utf8_is_complete(&utf8), 3, "the reason must be UTF-8");
    finish(socket, (unsigned)code, reason, length);
    return 0;
}

/* __close, whose second argument is an error's value or nil. */
static int websocket_leave(lua_State *L) {
    finish(check(L), CODE_NORMAL, NULL, 0);
    return 0;
}

/* Failures. */

static int fail(lua_State *L, struct websocket_object *socket, const char *operation, const char *code,
                const char *why) {
    struct endpoint peer;
    char text[ADDRESS_TEXT_MAX] = "a WebSocket";
    if (endpoint_unpack(&socket->peer, &peer) == 0) endpoint_format(&peer, SCHEME_HTTP, text, sizeof text);
    return support_fail(L, code, "%s %s: %s", operation, text, why);
}

static int fail_closed(lua_State *L, struct websocket_object *socket, const char *operation) {
    int error = socket->io.io.stream.error;
    if (error) return fail(L, socket, operation, support_code(error), strerror(error));
    char why[64] = "it is closed";
    if (close_code_of(socket)) snprintf(why, sizeof why, "closed with code %u", close_code_of(socket));
    return fail(L, socket, operation, "closed", why);
}

/* Receiving. */

static int interrupt_wait(struct task *task, void *subject) {
    connection_forget(subject, &task->waiter);
    return 1;
}

static double silence_limit(lua_State *L, const struct websocket_object *socket) {
    return runtime_of(L)->loop.now + (double)socket->io.io.timeout;
}

static int park(lua_State *L, struct websocket_object *socket, double until, lua_KFunction step) {
    struct task *task = task_begin_wait(L, "receive");
    if (socket->io.io.reader) return luaL_error(L, "another task is receiving from this WebSocket");
    connection_await_input(&socket->io.io, &task->waiter);
    return task_wait(L, task, until, interrupt_wait, &socket->io.io, 0, step);
}

/* Silence: a ping, and when that is not answered either, the end. */
static int is_dead(struct websocket_object *socket) {
    if (socket->io.pinged) {
        socket->io.close_code = WEBSOCKET_ABNORMAL;
        connection_abort(&socket->io.io);
        return 1;
    }
    socket->io.pinged = 1;
    websocket_send(&socket->io, NULL, WEBSOCKET_PING, NULL, 0);
    return 0;
}

enum receiving { RECEIVED, RECEIVE_WAITS, RECEIVE_ENDED };

/* Pushes the message, and whether it is binary. */
static enum receiving try_receive(lua_State *L, struct websocket_object *socket, const char **what) {
    struct websocket_message message;
    *what = NULL;
    if (!socket->io.io.open) return RECEIVE_ENDED;
    switch (websocket_receive(&socket->io, &message, what)) {
    case IO_DONE:
        lua_pushlstring(L, message.bytes, message.length);
        lua_pushboolean(L, message.is_binary);
        return RECEIVED;
    case IO_WAIT: return RECEIVE_WAITS;
    default: break;
    }
    connection_close(&socket->io.io);
    return RECEIVE_ENDED;
}

/* socket:receive() -> message, is_binary; nil, message, code */

static int receive_step(lua_State *L, int resumed, lua_KContext context) {
    struct websocket_object *socket = check(L);
    const char *what = NULL;
    (void)context;
    if (resumed == LUA_YIELD && task_woken(L) && is_dead(socket))
        return fail(L, socket, "receive from", "timeout", "it does not answer pings");
    switch (try_receive(L, socket, &what)) {
    case RECEIVED: return 2;
    case RECEIVE_WAITS: return park(L, socket, silence_limit(L, socket), receive_step);
    default:
        if (what) return fail(L, socket, "receive from", socket->io.close_code == 1009 ? "limit" : "protocol", what);
        return fail_closed(L, socket, "receive from");
    }
}

static int receive(lua_State *L) {
    check(L);
    lua_settop(L, 1);
    return receive_step(L, LUA_OK, 0);
}

/* socket:messages(): an iterator of receive. It ends with the socket; socket.close_code tells how. */

static int next_message_step(lua_State *L, int resumed, lua_KContext context) {
    struct websocket_object *socket = check(L);
    const char *what;
    (void)context;
    if (resumed == LUA_YIELD && task_woken(L) && is_dead(socket)) return 0;
    switch (try_receive(L, socket, &what)) {
    case RECEIVED: return 2;
    case RECEIVE_WAITS: return park(L, socket, silence_limit(L, socket), next_message_step);
    default: return 0;
    }
}

static int next_message(lua_State *L) {
    return next_message_step(L, LUA_OK, 0);
}

static int messages(lua_State *L) {
    check(L);
    lua_pushcfunction(L, next_message);
    lua_pushvalue(L, 1);
    return 2;
}

/* Sending. Waits while more than conn.high_water is queued; [top] is how many bytes were at the last look. */

static int sent_step(lua_State *L, int resumed, lua_KContext context) {
    struct websocket_object *socket = check(L);
    struct connection *io = &socket->io.io;
    int timed_out = resumed == LUA_YIELD && task_woken(L);
    (void)context;
    if (!io->open || io->stream.error) return fail_closed(L, socket, "send to");
    if (io->output.length <= io->high_water / 2) {
        lua_pushboolean(L, 1);
        return 1;
    }
    if (timed_out && io->output.length >= (size_t)lua_tointeger(L, -1))
        return fail(L, socket, "send to", "timeout", "it takes nothing");
    lua_settop(L, 1);
    lua_pushinteger(L, (lua_Integer)io->output.length);
    struct task *task = task_begin_wait(L, "send");
    if (io->writer) return luaL_error(L, "another task is waiting to send to this WebSocket");
    connection_await_output(io, &task->waiter, io->high_water / 2);
    return task_wait(L, task, runtime_of(L)->loop.now + WRITE_SECONDS, interrupt_wait, io, 0, sent_step);
}

static void queue_message(lua_State *L, struct websocket_object *socket, enum websocket_opcode opcode) {
    size_t length;
    const char *bytes = lua_tolstring(L, 2, &length);
    int plain = websocket_send_header(&socket->io, opcode, length);
    if (plain > 0) output_string(L, &socket->io.io, 2);
    else if (plain < 0 || websocket_send(&socket->io, websocket_memory_of(L), opcode, bytes, length) < 0)
        luaL_error(L, "not enough memory");
}

static int send_as(lua_State *L, enum websocket_opcode opcode) {
    struct websocket_object *socket = check(L);
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);
    struct utf8 utf8 = {0};
    lua_settop(L, 2);
    if (!socket->io.io.open || socket->io.close_sent || socket->io.io.stream.error)
        return fail_closed(L, socket, "send to");
    if (opcode == WEBSOCKET_TEXT && (utf8_check(&utf8, bytes, length) < 0 || !utf8_is_complete(&utf8)))
        return luaL_argerror(L, 2, "a text must be UTF-8; send_binary sends any bytes");
    queue_message(L, socket, opcode);
    if (socket->io.io.output.length > socket->io.io.high_water) return sent_step(L, LUA_OK, 0);
    lua_pushboolean(L, 1);
    return 1;
}

/* socket:send(text) -> true */
static int send_text(lua_State *L) {
    return send_as(L, WEBSOCKET_TEXT);
}

/* socket:send_binary(bytes) -> true */
static int send_binary(lua_State *L) {
    return send_as(L, WEBSOCKET_BINARY);
}

/* socket:ping(bytes) -> true: the peer answers with the same bytes, which receive takes */
static int send_ping(lua_State *L) {
    size_t length;
    luaL_checklstring(L, 2, &length);
    luaL_argcheck(L, length <= WEBSOCKET_CONTROL_MAX, 2, "a ping has at most 125 bytes");
    return send_as(L, WEBSOCKET_PING);
}

/* Properties. */

static void push_code(lua_State *L, const struct websocket_object *socket) {
    if (close_code_of(socket)) lua_pushinteger(L, close_code_of(socket));
    else lua_pushnil(L);
}

static void push_peer(lua_State *L, const struct websocket_object *socket) {
    struct endpoint peer;
    if (endpoint_unpack(&socket->peer, &peer) == 0) address_push(L, SCHEME_HTTP, &peer);
    else lua_pushnil(L);
}

static int websocket_index(lua_State *L) {
    struct websocket_object *socket = check(L);
    if (support_index_method(L)) return 1;
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "is_open") == 0) lua_pushboolean(L, socket->io.io.open && !socket->io.close_sent);
    else if (strcmp(name, "peer") == 0) push_peer(L, socket);
    else if (strcmp(name, "close_code") == 0) push_code(L, socket);
    else if (strcmp(name, "queued") == 0) lua_pushinteger(L, (lua_Integer)socket->io.io.output.length);
    else lua_pushnil(L);
    return 1;
}

static int websocket_tostring(lua_State *L) {
    struct websocket_object *socket = check(L);
    push_peer(L, socket);
    lua_pushfstring(L, "websocket: %s%s", luaL_tolstring(L, -1, NULL), socket->io.io.open ? "" : " (closed)");
    return 1;
}

int luaopen_core_websocket(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"client", websocket_connect}, {"offer", websocket_offer}, {"check", websocket_check_options}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"receive", receive}, {"messages", messages},     {"send", send_text}, {"send_binary", send_binary},
        {"ping", send_ping},  {"close", websocket_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__index", websocket_index},
                                           {"__tostring", websocket_tostring},
                                           {"__close", websocket_leave},
                                           {"__gc", websocket_gc},
                                           {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
