/* Writing. Small strings are copied into the output queue, which is sent once before the loop sleeps. A large one is
 * sent at once, together with what is queued; what the kernel does not take is referenced, not copied. A buffer's
 * memory may change after the call, so writing one ends when the kernel has taken all of it. */
#include "binding/buffer.h"
#include "binding/connection_wait.h"
#include "binding/output.h"
#include "binding/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(lua_State *L, struct connection_object *connection, int failure) {
    return connection_fail(L, connection, "write to", failure);
}

/* Waits until at most `level` bytes are queued. The time limit starts again whenever some bytes have gone: [top] is how
 * many were queued at the last look. */

static int drained_step(lua_State *L, int resumed, lua_KContext level) {
    struct connection_object *connection = connection_check(L, 1);
    int timed_out = resumed == LUA_YIELD && task_woken(L);
    size_t queued = connection->io.output.length;
    if (!connection->io.open) return fail(L, connection, FAILURE_OURS);
    if (connection->io.stream.error) return fail(L, connection, connection->io.stream.error);
    if (queued <= (size_t)level) {
        lua_pushboolean(L, 1);
        return 1;
    }
    if (timed_out && queued >= (size_t)lua_tointeger(L, -1)) return fail(L, connection, FAILURE_TIMEOUT);
    if (resumed == LUA_YIELD) lua_pop(L, 1);
    lua_pushinteger(L, (lua_Integer)queued);
    return connection_park_writer(L, connection, (size_t)level, connection_time_limit(L, connection), level,
                                  drained_step);
}

static int drain_to(lua_State *L, size_t level) {
    return drained_step(L, LUA_OK, (lua_KContext)level);
}

/* conn:write(...) -> true: strings, numbers and buffers, in order. */
static int connection_write(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    int count = lua_gettop(L), buffers = 0;
    for (int i = 2; i <= count; i++)
        if (!buffer_test(L, i)) luaL_checkstring(L, i);
    for (int i = 2; i <= count; i++) {
        int failure = connection_obstacle(connection);
        if (failure) return fail(L, connection, failure);
        const struct buffer_object *buffer = buffer_test(L, i);
        if (buffer) output_buffer(L, &connection->io, buffer), buffers++;
        else output_string(L, &connection->io, i);
    }
    size_t queued = connection->io.output.length;
    if (connection->io.stream.error) return fail(L, connection, connection->io.stream.error);
    if (buffers && queued) return drain_to(L, 0);
    if (queued > connection->io.high_water) return drain_to(L, connection->io.high_water / 2);
    lua_pushboolean(L, 1);
    return 1;
}

/* conn:flush() -> true when the kernel has taken all that was written */
static int connection_object_flush(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    lua_settop(L, 1);
    if (connection->io.open && connection->io.output.length) connection_flush(&connection->io);
    return drain_to(L, 0);
}

/* conn:shutdown() -> true: ends our side when all that was written is sent; the peer's side stays open */
static int connection_object_shutdown(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    int failure = connection_obstacle(connection);
    if (failure) return fail(L, connection, failure);
    connection_shutdown(&connection->io);
    lua_pushboolean(L, 1);
    return 1;
}

/* A descriptor of its own for the file at argument 2 (a path, or an open Lua file), or -1 with errno. O_NONBLOCK: a
 * FIFO must not hold up everything until somebody writes to it, open(2). */
static int open_file(lua_State *L) {
    luaL_Stream *stream = luaL_testudata(L, 2, LUA_FILEHANDLE);
    if (!stream) return open(luaL_checkstring(L, 2), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    luaL_argcheck(L, stream->closef, 2, "the file is closed");
    return fcntl(fileno(stream->f), F_DUPFD_CLOEXEC, 0);
}

/* The range of the file that offset (argument 3, from 0) and length (argument 4, default to the end) mean: 0, or
 * -1 with errno when the file is no regular one or is shorter. */
static int file_range(lua_State *L, int fd, off_t offset, off_t *length) {
    struct stat status;
    if (fstat(fd, &status) < 0) return -1;
    if (!S_ISREG(status.st_mode)) return errno = EINVAL, -1;
    if (lua_isnoneornil(L, 4)) *length = offset < status.st_size ? status.st_size - offset : 0;
    if (offset > status.st_size || *length > status.st_size - offset) return errno = ENODATA, -1;
    return 0;
}

/* conn:send_file(file, offset, length) -> true when the kernel has taken the bytes, without a copy, sendfile(2) */
static int connection_send_file(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    off_t offset = (off_t)support_check_size(L, 3, 0, 0), length = (off_t)support_check_size(L, 4, 0, 0);
    int failure = connection_obstacle(connection), fd = failure ? -1 : open_file(L);
    if (failure) return fail(L, connection, failure);
    if (fd < 0 || file_range(L, fd, offset, &length) < 0) {
        int error = errno;
        if (fd >= 0) close(fd);
        return support_fail_errno(L, error, "send file", luaL_tolstring(L, 2, NULL));
    }
    int queued = length ? connection_write_file(&connection->io, fd, offset, (size_t)length) : 0;
    if (queued < 0 || !length) close(fd);
    if (queued < 0) luaL_error(L, "not enough memory");
    lua_settop(L, 1);
    return drain_to(L, 0);
}

const luaL_Reg connection_write_methods[] = {{"write", connection_write},
                                             {"flush", connection_object_flush},
                                             {"shutdown", connection_object_shutdown},
                                             {"send_file", connection_send_file},
                                             {NULL, NULL}};
