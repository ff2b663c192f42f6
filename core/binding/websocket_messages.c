/* Receiving and sending messages. */
#include "binding/address.h"
#include "binding/output.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "binding/websocket.h"

#include <stdio.h>
#include <string.h>

static const double WRITE_SECONDS = 60; /* in which a slow peer has to take something */

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
    if (websocket_close_code_of(socket))
        snprintf(why, sizeof why, "closed with code %u", websocket_close_code_of(socket));
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
    struct connection *io = &socket->io.io;
    if (io->retiring && !connection_pending(io) && !socket->io.opcode) {
        if (connection_look(io)) return step(L, LUA_OK, 0);
        connection_hold_back(io, 1);
        return fail(L, socket, "receive from", "closed", "no more is awaited from the peer");
    }
    struct task *task = task_begin_wait(L, "receive");
    if (socket->io.io.reader) return luaL_error(L, "another task is receiving from this WebSocket");
    connection_await_input(io, &task->waiter);
    return task_wait(L, task, until, interrupt_wait, io, 0, step);
}

/* Silence: a ping, and when that is not answered either, the end. */
static int is_dead(struct websocket_object *socket) {
    if (!socket->io.io.open || socket->io.io.stream.error) return 0; /* it has ended meanwhile: receive says how */
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
    struct websocket_object *socket = websocket_check(L);
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
    websocket_check(L);
    lua_settop(L, 1);
    return receive_step(L, LUA_OK, 0);
}

/* socket:messages(): an iterator of receive. It ends with the socket; socket.close_code tells how. */

static int next_message_step(lua_State *L, int resumed, lua_KContext context) {
    struct websocket_object *socket = websocket_check(L);
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
    websocket_check(L);
    lua_pushcfunction(L, next_message);
    lua_pushvalue(L, 1);
    return 2;
}

/* Sending. Waits while more than conn.high_water is queued; [top] is how many bytes were at the last look. */

static int sent_step(lua_State *L, int resumed, lua_KContext context) {
    struct websocket_object *socket = websocket_check(L);
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
    struct websocket_object *socket = websocket_check(L);
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

const luaL_Reg websocket_message_methods[] = {{"receive", receive},         {"messages", messages}, {"send", send_text},
                                              {"send_binary", send_binary}, {"ping", send_ping},    {NULL, NULL}};
