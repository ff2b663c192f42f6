/* Reading counted bytes. An operation tries, parks its task while the kernel has no more bytes, and tries again when it is
 * woken. Each one's arguments and its time limit stay on the task's Lua stack meanwhile, at the places that its enum
 * names. A record of a known size has to be complete within conn.timeout; bulk reads only have to make progress. */
#include "binding/buffer.h"
#include "binding/connection_wait.h"
#include "binding/support.h"

#include <string.h>

enum { SOME_MAX = 64 * 1024, ALL_MAX = 64 * 1024 * 1024 }; /* default limits, bytes */

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* conn:read_some(max) -> 1 to max bytes */

static int read_some_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, 1);
    if (resumed == LUA_YIELD && task_woken(L)) return connection_fail_read(L, connection, FAILURE_TIMEOUT);
    size_t max = (size_t)context, pending;
    enum io_status status = IO_DONE;
    while (!(pending = connection_pending(&connection->io)) && status == IO_DONE)
        status = connection_try_fill(connection);
    if (pending) return connection_take(L, connection, smaller(pending, max), 0);
    if (status == IO_WAIT)
        return connection_park_reader(L, connection, connection_time_limit(L, connection), context, read_some_step);
    return connection_fail_read(L, connection, connection_failure(connection, status));
}

static int read_some(lua_State *L) {
    connection_check(L, 1);
    return read_some_step(L, LUA_OK, (lua_KContext)support_check_size(L, 2, 1, SOME_MAX));
}

/* conn:chunks(max): an iterator of read_some. It ends with the stream; conn.error tells when it ended otherwise. */

static int next_chunk_step(lua_State *L, int resumed, lua_KContext max) {
    struct connection_object *connection = connection_check(L, 1);
    size_t pending;
    enum io_status status = IO_DONE;
    if (resumed == LUA_YIELD && task_woken(L)) return connection->failure = FAILURE_TIMEOUT, 0;
    while (!(pending = connection_pending(&connection->io)) && status == IO_DONE)
        status = connection_try_fill(connection);
    if (pending) return connection_take(L, connection, smaller(pending, (size_t)max), 0);
    if (status == IO_WAIT)
        return connection_park_reader(L, connection, connection_time_limit(L, connection), max, next_chunk_step);
    connection->failure = (int16_t)connection_failure(connection, status);
    return 0;
}

static int next_chunk(lua_State *L) {
    return next_chunk_step(L, LUA_OK, SOME_MAX);
}

static int next_chunk_of(lua_State *L) {
    return next_chunk_step(L, LUA_OK, (lua_KContext)lua_tointeger(L, lua_upvalueindex(1)));
}

static int chunks(lua_State *L) {
    return connection_push_iterator(L, next_chunk, next_chunk_of);
}

/* conn:read(n) -> exactly n bytes. When fewer come, they stay and can be read. */

enum { READ_COUNT = 2, READ_UNTIL };

static int read_exactly_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, 1);
    if (resumed == LUA_YIELD && task_woken(L)) return connection_fail_read(L, connection, FAILURE_TIMEOUT);
    size_t count = (size_t)lua_tointeger(L, READ_COUNT);
    enum io_status status = IO_DONE;
    while (connection_pending(&connection->io) < count && status == IO_DONE) status = connection_try_fill(connection);
    if (connection_pending(&connection->io) >= count) return connection_take(L, connection, count, 0);
    if (status == IO_WAIT)
        return connection_park_reader(L, connection, lua_tonumber(L, READ_UNTIL), context, read_exactly_step);
    return connection_fail_read(L, connection, connection_failure(connection, status));
}

static int read_exactly(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    luaL_checkinteger(L, READ_COUNT);
    support_check_size(L, READ_COUNT, 0, 0);
    lua_settop(L, READ_COUNT);
    lua_pushnumber(L, connection_time_limit(L, connection));
    return read_exactly_step(L, LUA_OK, 0);
}

/* conn:read_all(max) -> everything up to the end of the stream */

static int read_all_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, 1);
    if (resumed == LUA_YIELD && task_woken(L)) return connection_fail_read(L, connection, FAILURE_TIMEOUT);
    size_t limit = (size_t)context;
    enum io_status status = IO_DONE;
    while (status == IO_DONE && connection_pending(&connection->io) <= limit) status = connection_try_fill(connection);
    if (connection_pending(&connection->io) > limit) return connection_fail_read(L, connection, FAILURE_LIMIT);
    if (status == IO_WAIT)
        return connection_park_reader(L, connection, connection_time_limit(L, connection), context, read_all_step);
    if (status == IO_END) return connection_take(L, connection, connection_pending(&connection->io), 0);
    return connection_fail_read(L, connection, connection_failure(connection, status));
}

static int read_all(lua_State *L) {
    connection_check(L, 1);
    return read_all_step(L, LUA_OK, (lua_KContext)support_check_size(L, 2, 1, ALL_MAX));
}

/* conn:read_into(buffer, minimum) -> bytes received straight into the buffer's memory, from its start: at least
 * `minimum` of them (default: the whole buffer). A failure's fourth value is how many have come all the same. */

enum { INTO_BUFFER = 2, INTO_MINIMUM };

static enum io_status receive_into(struct connection_object *connection, unsigned char *bytes, size_t room,
                                   size_t *received) {
    size_t pending = connection_pending(&connection->io);
    if (!connection->io.open) return IO_BROKEN;
    if (!pending) return connection_receive(&connection->io, bytes, room, received);
    *received = smaller(pending, room);
    memcpy(bytes, buffer_data(connection->io.input), *received);
    connection_consume(&connection->io, *received);
    return IO_DONE;
}

static int read_into_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, 1);
    struct buffer_object *buffer = buffer_check(L, INTO_BUFFER);
    size_t size = buffer_object_bytes(buffer), done = (size_t)context, received = 0;
    size_t minimum = (size_t)lua_tointeger(L, INTO_MINIMUM);
    enum io_status status = IO_DONE;
    int failure = resumed == LUA_YIELD && task_woken(L) ? FAILURE_TIMEOUT : 0;
    while (!failure && done < minimum && status == IO_DONE) {
        status = receive_into(connection, buffer_object_data(buffer) + done, size - done, &received);
        done += status == IO_DONE ? received : 0;
    }
    if (done >= minimum && !failure) {
        lua_pushinteger(L, (lua_Integer)done);
        return 1;
    }
    if (status == IO_WAIT)
        return connection_park_reader(L, connection, connection_time_limit(L, connection), (lua_KContext)done,
                                      read_into_step);
    connection_fail_read(L, connection, failure ? failure : connection_failure(connection, status));
    lua_pushinteger(L, (lua_Integer)done);
    return 4;
}

static int read_into(lua_State *L) {
    connection_check(L, 1);
    size_t size = buffer_object_bytes(buffer_check(L, INTO_BUFFER));
    size_t minimum = support_check_size(L, INTO_MINIMUM, 1, size);
    luaL_argcheck(L, minimum <= size, INTO_MINIMUM, "minimum is more than the buffer holds");
    lua_settop(L, INTO_BUFFER);
    lua_pushinteger(L, (lua_Integer)minimum);
    return read_into_step(L, LUA_OK, 0);
}

const luaL_Reg connection_read_methods[] = {{"read", read_exactly},   {"read_some", read_some}, {"read_all", read_all},
                                            {"read_into", read_into}, {"chunks", chunks},       {NULL, NULL}};
