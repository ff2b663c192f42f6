/* Reading. An operation tries, parks its task while the kernel has no more bytes, and tries again when it is woken.
 * Each one's arguments and its time limit stay on the task's Lua stack meanwhile, at the places that its enum names.
 * A line, a frame or a record has to be complete within conn.timeout; bulk reads only have to make progress. */
#include "binding/buffer.h"
#include "binding/connection.h"
#include "binding/runtime.h"
#include "binding/support.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum {
    SOME_MAX = 64 * 1024, /* default limits, bytes */
    LINE_MAX_BYTES = 64 * 1024,
    UNTIL_MAX = 1024 * 1024,
    ALL_MAX = 64 * 1024 * 1024
};

static int interrupt_read(struct task *task, void *subject) {
    connection_forget(subject, &task->waiter);
    return 1;
}

static double read_limit(lua_State *L, const struct connection_object *connection) {
    return runtime_of(L)->loop.now + (double)connection->io.timeout;
}

/* Parks the running task until a read is worth trying, or `until` on the loop's clock. */
static int park(lua_State *L, struct connection_object *connection, double until, lua_KContext context,
                lua_KFunction step) {
    struct task *task = task_begin_wait(L, "read");
    if (connection->io.reader) return luaL_error(L, "another task is reading from this connection");
    connection_await_input(&connection->io, &task->waiter);
    return task_wait(L, task, until, interrupt_read, &connection->io, context, step);
}

/* What a read that cannot go on is told, after END or BROKEN. */
static int failure_of(const struct connection_object *connection, enum io_status status) {
    if (!connection->io.open) return FAILURE_OURS;
    if (connection->io.stream.error) return connection->io.stream.error;
    return status == IO_END ? FAILURE_CLOSED : errno;
}

static enum io_status fill(struct connection_object *connection) {
    return connection->io.open ? connection_fill(&connection->io) : IO_BROKEN;
}

static int fail(lua_State *L, struct connection_object *connection, int failure) {
    return connection_fail(L, connection, "read from", failure);
}

/* Pushes `count` pending bytes and drops them and `more` after them. */
static int take(lua_State *L, struct connection_object *connection, size_t count, size_t more) {
    const char *data = count || more ? (const char *)buffer_data(connection->io.input) : "";
    lua_pushlstring(L, data, count);
    connection_consume(&connection->io, count + more);
    return 1;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* conn:read_some(max) -> 1 to max bytes */

static int read_some_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, 1);
    if (resumed == LUA_YIELD && task_woken(L)) return fail(L, connection, FAILURE_TIMEOUT);
    size_t max = (size_t)context, pending;
    enum io_status status = IO_DONE;
    while (!(pending = connection_pending(&connection->io)) && status == IO_DONE) status = fill(connection);
    if (pending) return take(L, connection, smaller(pending, max), 0);
    if (status == IO_WAIT) return park(L, connection, read_limit(L, connection), context, read_some_step);
    return fail(L, connection, failure_of(connection, status));
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
    while (!(pending = connection_pending(&connection->io)) && status == IO_DONE) status = fill(connection);
    if (pending) return take(L, connection, smaller(pending, (size_t)max), 0);
    if (status == IO_WAIT) return park(L, connection, read_limit(L, connection), max, next_chunk_step);
    connection->failure = (int16_t)failure_of(connection, status);
    return 0;
}

static int next_chunk(lua_State *L) {
    return next_chunk_step(L, LUA_OK, SOME_MAX);
}

static int next_chunk_of(lua_State *L) {
    return next_chunk_step(L, LUA_OK, (lua_KContext)lua_tointeger(L, lua_upvalueindex(1)));
}

/* Pushes an iterator: a plain function for the default limit, so that an idle connection does not keep a closure. */
static int push_iterator(lua_State *L, size_t otherwise, lua_CFunction plain, lua_CFunction limited) {
    connection_check(L, 1);
    if (lua_isnoneornil(L, 2)) {
        lua_pushcfunction(L, plain);
    } else {
        lua_pushinteger(L, (lua_Integer)support_check_size(L, 2, 1, otherwise));
        lua_pushcclosure(L, limited, 1);
    }
    lua_pushvalue(L, 1);
    return 2;
}

static int chunks(lua_State *L) {
    return push_iterator(L, SOME_MAX, next_chunk, next_chunk_of);
}

/* conn:read(n) -> exactly n bytes. When fewer come, they stay and can be read. */

enum { READ_COUNT = 2, READ_UNTIL };

static int read_exactly_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, 1);
    if (resumed == LUA_YIELD && task_woken(L)) return fail(L, connection, FAILURE_TIMEOUT);
    size_t count = (size_t)lua_tointeger(L, READ_COUNT);
    enum io_status status = IO_DONE;
    while (connection_pending(&connection->io) < count && status == IO_DONE) status = fill(connection);
    if (connection_pending(&connection->io) >= count) return take(L, connection, count, 0);
    if (status == IO_WAIT) return park(L, connection, lua_tonumber(L, READ_UNTIL), context, read_exactly_step);
    return fail(L, connection, failure_of(connection, status));
}

static int read_exactly(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    luaL_checkinteger(L, READ_COUNT);
    support_check_size(L, READ_COUNT, 0, 0);
    lua_settop(L, READ_COUNT);
    lua_pushnumber(L, read_limit(L, connection));
    return read_exactly_step(L, LUA_OK, 0);
}

/* conn:read_until(delimiter, max) -> the bytes before the delimiter, which is dropped. The context is how many bytes
 * were searched already. */

enum { UNTIL_DELIMITER = 2, UNTIL_LIMIT, UNTIL_UNTIL };

static size_t searched_before(size_t pending, size_t length) {
    return pending >= length ? pending - length + 1 : 0;
}

static int read_until_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, 1);
    if (resumed == LUA_YIELD && task_woken(L)) return fail(L, connection, FAILURE_TIMEOUT);
    size_t length, limit = (size_t)lua_tointeger(L, UNTIL_LIMIT), searched = (size_t)context;
    const char *delimiter = lua_tolstring(L, UNTIL_DELIMITER, &length);
    for (;;) {
        size_t pending = connection_pending(&connection->io);
        ptrdiff_t found = pending ? buffer_find(connection->io.input, delimiter, length, searched) : -1;
        if (found >= 0 && (size_t)found <= limit) return take(L, connection, (size_t)found, length);
        searched = searched_before(pending, length);
        if (found >= 0 || searched > limit) return fail(L, connection, FAILURE_LIMIT);
        enum io_status status = fill(connection);
        if (status == IO_WAIT)
            return park(L, connection, lua_tonumber(L, UNTIL_UNTIL), (lua_KContext)searched, read_until_step);
        if (status != IO_DONE) return fail(L, connection, failure_of(connection, status));
    }
}

static int read_until(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    size_t length, limit = support_check_size(L, UNTIL_LIMIT, 1, UNTIL_MAX);
    luaL_checklstring(L, UNTIL_DELIMITER, &length);
    luaL_argcheck(L, length, UNTIL_DELIMITER, "the delimiter is empty");
    lua_settop(L, UNTIL_DELIMITER);
    lua_pushinteger(L, (lua_Integer)limit);
    lua_pushnumber(L, read_limit(L, connection));
    return read_until_step(L, LUA_OK, 0);
}

/* conn:read_line(max) -> a line without its LF or CRLF. The last line of a stream may lack them. */

enum { LINE_LIMIT = 2, LINE_UNTIL };

/* Pushes the first line if it is complete: 1; 0: more bytes are needed; or a failure. */
static int take_line(lua_State *L, struct connection_object *connection, size_t limit, size_t *searched) {
    size_t pending = connection_pending(&connection->io);
    ptrdiff_t found = pending ? buffer_find(connection->io.input, "\n", 1, *searched) : -1;
    *searched = pending;
    if (found < 0) return pending > limit + 1 ? fail(L, connection, FAILURE_LIMIT) : 0; /* + 1: it may be a CR */
    size_t count = (size_t)found, end = 1;
    if (count && buffer_data(connection->io.input)[count - 1] == '\r') count--, end++;
    return count > limit ? fail(L, connection, FAILURE_LIMIT) : take(L, connection, count, end);
}

/* At the end of the stream: what is left is a line. */
static int take_last_line(lua_State *L, struct connection_object *connection, size_t limit, enum io_status status) {
    size_t pending = connection_pending(&connection->io);
    if (!connection->io.open || status != IO_END || !pending || pending > limit)
        return fail(L, connection, pending > limit ? FAILURE_LIMIT : failure_of(connection, status));
    return take(L, connection, pending, 0);
}

static int read_line_loop(lua_State *L, struct connection_object *connection, size_t limit, double until,
                          lua_KContext context, lua_KFunction step) {
    size_t searched = (size_t)context;
    for (;;) {
        int results = take_line(L, connection, limit, &searched);
        if (results) return results;
        enum io_status status = fill(connection);
        if (status == IO_WAIT) return park(L, connection, until, (lua_KContext)searched, step);
        if (status != IO_DONE) return take_last_line(L, connection, limit, status);
    }
}

static int read_line_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, 1);
    if (resumed == LUA_YIELD && task_woken(L)) return fail(L, connection, FAILURE_TIMEOUT);
    return read_line_loop(L, connection, (size_t)lua_tointeger(L, LINE_LIMIT), lua_tonumber(L, LINE_UNTIL), context,
                          read_line_step);
}

static int read_line(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    size_t limit = support_check_size(L, LINE_LIMIT, 1, LINE_MAX_BYTES);
    lua_settop(L, 1);
    lua_pushinteger(L, (lua_Integer)limit);
    lua_pushnumber(L, read_limit(L, connection));
    return read_line_step(L, LUA_OK, 0);
}

/* conn:lines(max): an iterator of read_line. It ends with the stream; conn.error tells when it ended otherwise. */

static int next_line_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, 1);
    if (resumed == LUA_YIELD && task_woken(L)) return connection->failure = FAILURE_TIMEOUT, 0;
    return read_line_loop(L, connection, (size_t)lua_tointeger(L, LINE_LIMIT), lua_tonumber(L, LINE_UNTIL), context,
                          next_line_step);
}

static int next_line_within(lua_State *L, lua_Integer limit) {
    struct connection_object *connection = connection_check(L, 1);
    lua_settop(L, 1);
    lua_pushinteger(L, limit);
    lua_pushnumber(L, read_limit(L, connection));
    return next_line_step(L, LUA_OK, 0);
}

static int next_line(lua_State *L) {
    return next_line_within(L, LINE_MAX_BYTES);
}

static int next_line_of(lua_State *L) {
    return next_line_within(L, lua_tointeger(L, lua_upvalueindex(1)));
}

static int lines(lua_State *L) {
    return push_iterator(L, LINE_MAX_BYTES, next_line, next_line_of);
}

/* conn:read_all(max) -> everything up to the end of the stream */

static int read_all_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, 1);
    if (resumed == LUA_YIELD && task_woken(L)) return fail(L, connection, FAILURE_TIMEOUT);
    size_t limit = (size_t)context;
    enum io_status status = IO_DONE;
    while (status == IO_DONE && connection_pending(&connection->io) <= limit) status = fill(connection);
    if (connection_pending(&connection->io) > limit) return fail(L, connection, FAILURE_LIMIT);
    if (status == IO_WAIT) return park(L, connection, read_limit(L, connection), context, read_all_step);
    if (status == IO_END) return take(L, connection, connection_pending(&connection->io), 0);
    return fail(L, connection, failure_of(connection, status));
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
    if (status == IO_WAIT) return park(L, connection, read_limit(L, connection), (lua_KContext)done, read_into_step);
    fail(L, connection, failure ? failure : failure_of(connection, status));
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

const luaL_Reg connection_read_methods[] = {
    {"read", read_exactly},   {"read_some", read_some}, {"read_until", read_until},
    {"read_line", read_line}, {"read_all", read_all},   {"read_into", read_into},
    {"chunks", chunks},       {"lines", lines},         {NULL, NULL}};
