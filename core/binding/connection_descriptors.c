/* conn:send_fd and conn.peer_credentials. */
#include "binding/connection_descriptors.h"
#include "binding/connection_wait.h"
#include "binding/datagram.h"
#include "binding/descriptor.h"
#include "binding/listener.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "io/passing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

int descriptors_check_unread(lua_State *L, int table) {
    static const char *const names[] = {"unread", NULL};
    support_check_options(L, table, names);
    return support_option_boolean(L, table, "unread", 0);
}

int descriptors_fail_unfit(lua_State *L, const struct connection_object *connection, const char *operation) {
    if (connection->io.open && connection->io.stream.session)
        return support_fail(L, "tls", "%s a connection that carries TLS: only plain ones pass them", operation);
    if (!connection->io.open || connection->scheme == SCHEME_UNIX) return 0;
    lua_getfield(L, 1, "peer");
    return support_fail(L, "protocol", "%s %s: only Unix sockets pass them", operation, luaL_tolstring(L, -1, NULL));
}

/* conn:send_fd(x, options) -> true */

enum { SEND_CONNECTION = 1, SEND_WHAT, SEND_OPTIONS, SEND_QUEUED };

static const char SENDING[] = "send a descriptor over";

/* What was written is in the file then, and what was read ahead is not lost. */
static int file_number(const luaL_Stream *stream) {
    if (!stream->closef) return errno = EBADF, -1;
    return fflush(stream->f) == 0 ? fileno(stream->f) : -1;
}

int descriptors_number(lua_State *L, int argument) {
    void *object;
    errno = EBADF;
    if ((object = luaL_testudata(L, argument, "perigee.listener"))) {
        struct listener *listener = &((struct listener_object *)object)->io;
        return listener->open ? listener->io.fd : -1;
    }
    if ((object = luaL_testudata(L, argument, "perigee.datagram"))) {
        struct datagram *datagram = &((struct datagram_object *)object)->io;
        return datagram->open ? datagram->io.fd : -1;
    }
    if ((object = luaL_testudata(L, argument, LUA_FILEHANDLE))) return file_number(object);
    if ((object = descriptor_test(L, argument))) return ((struct descriptor_object *)object)->fd;
    return luaL_typeerror(L, argument, "connection, listener, datagram socket, descriptor or file");
}

static struct connection_object *cargo_of(lua_State *L) {
    return luaL_testudata(L, SEND_WHAT, "perigee.connection");
}

/* Why a connection cannot be sent now: 0, or the results of failing. */
static int fail_cargo(lua_State *L, struct connection_object *cargo) {
    if (!cargo->io.open) return connection_fail(L, cargo, "send", FAILURE_OURS);
    if (cargo->io.stream.error) return connection_fail(L, cargo, "send", cargo->io.stream.error);
    if (!cargo->io.stream.session) return 0;
    return support_fail(L, "tls", "send %s: it carries TLS, whose keys stay in this process",
                        luaL_tolstring(L, SEND_WHAT, NULL));
}

static int fail_unread(lua_State *L, const struct connection_object *cargo) {
    size_t pending = connection_pending(&cargo->io);
    if (!pending) return 0;
    const char *text = luaL_tolstring(L, SEND_WHAT, NULL);
    if (!descriptors_check_unread(L, SEND_OPTIONS))
        return support_fail(L, "protocol", "send %s: %I unread bytes would be lost: send with { unread = true }", text,
                            (LUAI_UACINT)pending);
    if (pending > UNREAD_MAX)
        return support_fail(L, "limit", "send %s: %I unread bytes are more than can be sent with it", text,
                            (LUAI_UACINT)pending);
    lua_pop(L, 1);
    return 0;
}

static int send_step(lua_State *L, int resumed, lua_KContext context);

static size_t queued_bytes(const struct connection_object *connection, const struct connection_object *cargo) {
    return connection->io.output.length + (cargo ? cargo->io.output.length : 0);
}

static int wait_for(lua_State *L, struct connection_object *connection, size_t queued) {
    lua_pushinteger(L, (lua_Integer)queued);
    lua_replace(L, SEND_QUEUED);
    return connection_park_writer(L, connection, 0, connection_time_limit(L, connection), 0, send_step);
}

static int wait_for_room(lua_State *L, struct connection_object *connection) {
    lua_pushinteger(L, 0);
    lua_replace(L, SEND_QUEUED);
    return connection_park_for_room(L, connection, connection_time_limit(L, connection), 0, send_step);
}

/* The bytes that go along; the connection of the other process begins with them. */
static void send_unread(lua_State *L, struct connection *connection, const struct connection_object *cargo) {
    size_t count = cargo ? connection_pending(&cargo->io) : 0;
    unsigned char length[UNREAD_LENGTH_BYTES] = {(unsigned char)(count >> 24), (unsigned char)(count >> 16),
                                                 (unsigned char)(count >> 8), (unsigned char)count};
    int failed = connection_write_copy(connection, length, sizeof length) < 0;
    if (!failed && count) failed = connection_write_copy(connection, buffer_data(cargo->io.input), count) < 0;
    if (!failed) return;
    connection_abort(connection); /* the other side waits for the rest */
    luaL_error(L, "not enough memory");
}

/* A connection is passed as a process finds one that it makes: blocking. Ours waits in the loop, so it is not. */
static enum io_status pass_connection(struct connection *connection, struct connection *cargo) {
    descriptor_set_blocking(cargo->stream.fd, 1);
    enum io_status status = passing_send(connection, cargo->stream.fd);
    int error = errno;
    if (status != IO_DONE) descriptor_set_blocking(cargo->stream.fd, 0);
    return errno = error, status;
}

static int pass(lua_State *L, struct connection_object *connection, struct connection_object *cargo) {
    int fd = cargo ? cargo->io.stream.fd : descriptors_number(L, SEND_WHAT);
    if (fd < 0) return support_fail_errno(L, errno, "send", luaL_tolstring(L, SEND_WHAT, NULL));
    enum io_status status = cargo ? pass_connection(&connection->io, &cargo->io) : passing_send(&connection->io, fd);
    if (status == IO_WAIT) return wait_for_room(L, connection);
    if (status == IO_BROKEN) return connection_fail(L, connection, SENDING, errno);
    if (descriptors_check_unread(L, SEND_OPTIONS)) send_unread(L, &connection->io, cargo);
    if (cargo) connection_let_go(&cargo->io);
    lua_pushboolean(L, 1);
    return 1;
}

static void flush(struct connection *connection) {
    int ends = connection->shut && !connection->shut_done;
    if (connection->open && (connection->output.length || ends)) connection_flush(connection);
}

/* What was written before goes first: to the peer of the connection that is sent, and on the one that it is sent over. */
static int send_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, SEND_CONNECTION), *cargo = cargo_of(L);
    int timed_out = resumed == LUA_YIELD && task_woken(L), failed = 0;
    (void)context;
    flush(&connection->io);
    if (cargo) flush(&cargo->io);
    int obstacle = connection_obstacle(connection);
    if (obstacle) return connection_fail(L, connection, SENDING, obstacle);
    if (cargo && (failed = fail_cargo(L, cargo))) return failed;
    size_t queued = queued_bytes(connection, cargo);
    if (timed_out && queued >= (size_t)lua_tointeger(L, SEND_QUEUED))
        return connection_fail(L, connection, SENDING, FAILURE_TIMEOUT);
    if (cargo && cargo->io.output.length) return wait_for(L, cargo, queued);
    if (connection->io.output.length) return wait_for(L, connection, queued);
    if (cargo && (failed = fail_unread(L, cargo))) return failed;
    return pass(L, connection, cargo);
}

static int connection_send_fd(lua_State *L) {
    struct connection_object *connection = connection_check(L, SEND_CONNECTION);
    lua_settop(L, SEND_OPTIONS);
    if (!cargo_of(L)) descriptors_number(L, SEND_WHAT);
    luaL_argcheck(L, cargo_of(L) != connection, SEND_WHAT, "a connection cannot be sent over itself");
    descriptors_check_unread(L, SEND_OPTIONS);
    int failed = descriptors_fail_unfit(L, connection, SENDING);
    if (failed) return failed;
    lua_pushinteger(L, 0);
    return send_step(L, LUA_OK, 0);
}

/* Why a connection cannot become a descriptor: 0, or the results of failing. */
static int fail_descriptor_of(lua_State *L, const struct connection_object *connection) {
    const char *text = luaL_tolstring(L, 1, NULL), *operation = "make a descriptor of";
    if (!connection->io.open) return support_fail(L, "closed", "%s %s: it is closed", operation, text);
    if (connection->io.stream.session)
        return support_fail(L, "tls", "%s %s: it carries TLS, whose keys stay in this process", operation, text);
    if (connection_pending(&connection->io) || connection->io.output.length)
        return support_fail(L, "protocol", "%s %s: bytes are pending or queued, and would be lost", operation, text);
    lua_pop(L, 1);
    return 0;
}

int descriptor_of_connection(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    int failed = fail_descriptor_of(L, connection);
    if (failed) return failed;
    int fd = fcntl(connection->io.stream.fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) return support_fail_errno(L, errno, "make a descriptor of", luaL_tolstring(L, 1, NULL));
    descriptor_push_raw(L, &fd);
    connection_let_go(&connection->io);
    return 1;
}

/* conn.peer_credentials: of whoever made the connection, or listened; nil when it is no Unix socket */
void descriptors_push_credentials(lua_State *L, const struct connection_object *connection) {
    struct descriptor_peer peer;
    if (!connection->io.open || descriptor_peer(connection->io.stream.fd, &peer) < 0) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, peer.pid);
    lua_setfield(L, -2, "pid");
    lua_pushinteger(L, peer.uid);
    lua_setfield(L, -2, "uid");
    lua_pushinteger(L, peer.gid);
    lua_setfield(L, -2, "gid");
}

const luaL_Reg connection_descriptor_methods[] = {
    {"send_fd", connection_send_fd}, {"receive_fd", connection_receive_fd}, {NULL, NULL}};
