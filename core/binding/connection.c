/* core.connection: the class, its properties and its end. */
#include "binding/connection.h"
#include "binding/address.h"
#include "binding/connection_descriptors.h"
#include "binding/listener.h"
#include "binding/modules.h"
#include "binding/reader.h"
#include "binding/retire.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "binding/tls.h"
#include "io/tls_failure.h"
#include "system/socket.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const char CLASS[] = "perigee.connection";

struct connection_object *connection_check(lua_State *L, int argument) {
    return luaL_checkudata(L, argument, CLASS);
}

struct connection_object *connection_test(lua_State *L, int index) {
    return luaL_testudata(L, index, CLASS);
}

struct connection_object *connection_new(lua_State *L) {
    struct connection_object *connection = support_new(L, CLASS, sizeof *connection, 0);
    connection->io.stream.fd = -1;
    return connection;
}

void connection_adopt(struct connection_object *connection, struct runtime *runtime, int fd, enum scheme scheme,
                      const struct endpoint *peer) {
    struct stream stream;
    stream_init_plain(&stream, fd);
    connection_adopt_stream(connection, runtime, stream, scheme, peer);
}

void connection_adopt_stream(struct connection_object *connection, struct runtime *runtime, struct stream stream,
                             enum scheme scheme, const struct endpoint *peer) {
    connection_init(&connection->io, &runtime->loop, stream);
    connection->scheme = (uint8_t)scheme;
    if (peer) endpoint_pack(peer, &connection->peer);
}

static int connection_peer(const struct connection_object *connection, struct endpoint *peer) {
    if (endpoint_unpack(&connection->peer, peer) == 0) return 1;
    return connection->io.open && socket_remote(connection->io.stream.fd, peer) == 0;
}

static void connection_push_peer(lua_State *L, const struct connection_object *connection) {
    struct endpoint peer;
    if (connection_peer(connection, &peer)) address_push(L, connection->scheme, &peer);
    else lua_pushnil(L);
}

static const char *failure_text(int failure, struct tls_failure *memory) {
    switch (failure) {
    case FAILURE_CLOSED: return "closed by the peer";
    case FAILURE_OURS: return "the connection is closed";
    case FAILURE_LIMIT: return "more bytes than the limit allows";
    case FAILURE_TIMEOUT: return "timed out";
    case FAILURE_HANDSHAKE: return "another task is starting TLS";
    case FAILURE_RETIRED: return "no more is awaited from the peer";
    default: return tls_is_error(failure) ? tls_error_text(failure, memory) : strerror(failure);
    }
}

static const char *failure_code(int failure) {
    switch (failure) {
    case FAILURE_CLOSED:
    case FAILURE_RETIRED:
    case FAILURE_OURS: return "closed";
    case FAILURE_LIMIT: return "limit";
    case FAILURE_TIMEOUT: return "timeout";
    case FAILURE_HANDSHAKE: return "tls";
    default: return tls_is_error(failure) ? "tls" : support_code(failure);
    }
}

/* What a connection is called in messages. */
static const char *connection_name(const struct connection_object *connection, char memory[ADDRESS_TEXT_MAX]) {
    struct endpoint peer;
    if (!connection_peer(connection, &peer)) return connection->io.open ? "a pipe" : "a closed connection";
    endpoint_format(&peer, connection->scheme, memory, ADDRESS_TEXT_MAX);
    return memory;
}

int connection_fail(lua_State *L, struct connection_object *connection, const char *operation, int failure) {
    struct tls_failure reason;
    char memory[ADDRESS_TEXT_MAX];
    connection->failure = (int16_t)failure;
    return support_fail(L, failure_code(failure), "%s %s: %s", operation, connection_name(connection, memory),
                        failure_text(failure, &reason));
}

int connection_fail_protocol(lua_State *L, struct connection_object *connection, const char *why) {
    char memory[ADDRESS_TEXT_MAX];
    connection->failure = EPROTO;
    return support_fail(L, "protocol", "read from %s: %s", connection_name(connection, memory), why);
}

void connection_on_handler_ended(struct task *task, void *context) {
    struct connection_object *connection = context;
    (void)task;
    connection->handler = NULL;
    connection_close(&connection->io);
    listener_on_connection_ended(connection->listener);
}

/* The script let go of the connection before its handler ended. */
static void connection_on_lone_handler_ended(struct task *task, void *context) {
    (void)task;
    listener_on_connection_ended(context);
}

/* conn:close(): what was written is still sent, in the background */
static int connection_object_close(lua_State *L) {
    connection_close(&connection_check(L, 1)->io);
    return 0;
}

/* conn:abort(): what was written is dropped, and a TCP peer gets a reset */
static int connection_object_abort(lua_State *L) {
    connection_abort(&connection_check(L, 1)->io);
    return 0;
}

static int connection_object_gc(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    if (connection->handler) {
        connection->handler->ended = connection_on_lone_handler_ended;
        connection->handler->ended_context = connection->listener;
    }
    connection_close(&connection->io);
    return 0;
}

static void connection_push_local(lua_State *L, const struct connection_object *connection) {
    struct endpoint local;
    if (connection->io.open && socket_local(connection->io.stream.fd, &local) == 0)
        address_push(L, connection->scheme, &local);
    else lua_pushnil(L);
}

static void connection_push_error(lua_State *L, struct connection_object *connection) {
    if (!connection->failure) {
        lua_pushnil(L);
        return;
    }
    connection_fail(L, connection, "connection to", connection->failure);
    lua_pop(L, 1);
}

static int connection_index(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    if (support_index_method(L)) return 1;
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "peer") == 0) connection_push_peer(L, connection);
    else if (strcmp(name, "address") == 0) connection_push_local(L, connection);
    else if (strcmp(name, "timeout") == 0) lua_pushnumber(L, (lua_Number)connection->io.timeout);
    else if (strcmp(name, "high_water") == 0) lua_pushinteger(L, connection->io.high_water);
    else if (strcmp(name, "queued") == 0) lua_pushinteger(L, (lua_Integer)connection->io.output.length);
    else if (strcmp(name, "is_open") == 0) lua_pushboolean(L, connection->io.open);
    else if (strcmp(name, "is_quiet") == 0) lua_pushboolean(L, connection_is_quiet(&connection->io));
    else if (strcmp(name, "is_retiring") == 0) lua_pushboolean(L, connection->io.retiring);
    else if (strcmp(name, "error") == 0) connection_push_error(L, connection);
    else if (strcmp(name, "tls") == 0) tls_push_session(L, &connection->io);
    else if (strcmp(name, "peer_credentials") == 0) descriptors_push_credentials(L, connection);
    else lua_pushnil(L);
    return 1;
}

static int connection_newindex(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "timeout") == 0) {
        lua_Number seconds = support_check_seconds(L, 3, INFINITY);
        luaL_argcheck(L, seconds > 0, 3, "timeout must be seconds above 0, or nil for none");
        connection->io.timeout = (float)seconds;
    } else if (strcmp(name, "high_water") == 0) {
        lua_Integer bytes = luaL_checkinteger(L, 3);
        luaL_argcheck(L, bytes > 0 && bytes <= UINT32_MAX, 3, "high_water must be bytes from 1 to 4 GiB");
        connection->io.high_water = (uint32_t)bytes;
    } else {
        return luaL_error(L, "a connection has no field '%s' that can be set", name);
    }
    return 0;
}

static int connection_tostring(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    connection_push_peer(L, connection);
    if (lua_isnil(L, -1) && connection->io.open) lua_pushliteral(L, "a pipe");
    lua_pushfstring(L, "connection: %s%s", luaL_tolstring(L, -1, NULL), connection->io.open ? "" : " (closed)");
    return 1;
}

/* connection.pair() -> a, b: two connected streams of this process */
static int connection_pair(lua_State *L) {
    struct connection_object *a = connection_new(L), *b = connection_new(L);
    int fds[2];
    if (socket_pair(fds) < 0) return support_fail_errno(L, errno, "make", "a pair of connections");
    connection_adopt(a, runtime_of(L), fds[0], SCHEME_UNIX, NULL);
    connection_adopt(b, runtime_of(L), fds[1], SCHEME_UNIX, NULL);
    return 2;
}

int luaopen_core_connection(lua_State *L) {
    static const luaL_Reg functions[] = {{"connect", connection_connect}, {"pair", connection_pair}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"close", connection_object_close}, {"abort", connection_object_abort}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__index", connection_index},       {"__newindex", connection_newindex},
                                           {"__tostring", connection_tostring}, {"__close", connection_object_close},
                                           {"__gc", connection_object_gc},      {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_getmetatable(L, CLASS);
    lua_getfield(L, -1, "__index");
    lua_getupvalue(L, -1, 1);
    luaL_setfuncs(L, connection_read_methods, 0);
    luaL_setfuncs(L, connection_line_methods, 0);
    luaL_setfuncs(L, connection_write_methods, 0);
    luaL_setfuncs(L, connection_pipe_methods, 0);
    luaL_setfuncs(L, connection_tls_methods, 0);
    luaL_setfuncs(L, connection_descriptor_methods, 0);
    luaL_setfuncs(L, connection_retire_methods, 0);
    receipt_open(L);
    reader_register(L);
    luaL_requiref(L, "core.descriptor", luaopen_core_descriptor, 0); /* the classes of what is received */
    luaL_requiref(L, "core.datagram", luaopen_core_datagram, 0);
    lua_pop(L, 2);
    connect_open(L);
    luaL_newlib(L, functions);
    return 1;
}
