/* Reading up to a delimiter: lines and records, which have to be complete within conn.timeout. */
#include "binding/connection_wait.h"
#include "binding/support.h"

enum { LINE_MAX_BYTES = 64 * 1024, UNTIL_MAX = 1024 * 1024 }; /* default limits */

/* conn:read_until(delimiter, max) -> the bytes before the delimiter, which is dropped. The context is how many bytes
 * were searched already. */

enum { UNTIL_DELIMITER = 2, UNTIL_LIMIT, UNTIL_UNTIL };

static size_t searched_before(size_t pending, size_t length) {
    return pending >= length ? pending - length + 1 : 0;
}

static int read_until_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, 1);
    if (resumed == LUA_YIELD && task_woken(L)) return connection_fail_read(L, connection, FAILURE_TIMEOUT);
    size_t length, limit = (size_t)lua_tointeger(L, UNTIL_LIMIT), searched = (size_t)context;
    const char *delimiter = lua_tolstring(L, UNTIL_DELIMITER, &length);
    for (;;) {
        size_t pending = connection_pending(&connection->io);
        ptrdiff_t found = pending ? buffer_find(connection->io.input, delimiter, length, searched) : -1;
        if (found >= 0 && (size_t)found <= limit) return connection_take(L, connection, (size_t)found, length);
        searched = searched_before(pending, length);
        if (found >= 0 || searched > limit) return connection_fail_read(L, connection, FAILURE_LIMIT);
        enum io_status status = connection_try_fill(connection);
        if (status == IO_WAIT)
            return connection_park_reader(L, connection, lua_tonumber(L, UNTIL_UNTIL), (lua_KContext)searched,
                                          read_until_step);
        if (status != IO_DONE) return connection_fail_read(L, connection, connection_failure(connection, status));
    }
}

static int read_until(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    size_t length, limit = support_check_size(L, UNTIL_LIMIT, 1, UNTIL_MAX);
    luaL_checklstring(L, UNTIL_DELIMITER, &length);
    luaL_argcheck(L, length, UNTIL_DELIMITER, "the delimiter is empty");
    lua_settop(L, UNTIL_DELIMITER);
    lua_pushinteger(L, (lua_Integer)limit);
    lua_pushnumber(L, connection_time_limit(L, connection));
    return read_until_step(L, LUA_OK, 0);
}

/* conn:read_line(max) -> a line without its LF or CRLF. The last line of a stream may lack them. */

enum { LINE_LIMIT = 2, LINE_UNTIL };

/* Pushes the first line if it is complete: 1; 0: more bytes are needed; or a failure. */
static int take_line(lua_State *L, struct connection_object *connection, size_t limit, size_t *searched) {
    size_t pending = connection_pending(&connection->io);
    ptrdiff_t found = pending ? buffer_find(connection->io.input, "\n", 1, *searched) : -1;
    *searched = pending;
    if (found < 0)
        return pending > limit + 1 ? connection_fail_read(L, connection, FAILURE_LIMIT) : 0; /* + 1: it may be a CR */
    size_t count = (size_t)found, end = 1;
    if (count && buffer_data(connection->io.input)[count - 1] == '\r') count--, end++;
    return count > limit ? connection_fail_read(L, connection, FAILURE_LIMIT)
                         : connection_take(L, connection, count, end);
}

/* At the end of the stream: what is left is a line. */
static int take_last_line(lua_State *L, struct connection_object *connection, size_t limit, enum io_status status) {
    size_t pending = connection_pending(&connection->io);
    if (!connection->io.open || status != IO_END || !pending || pending > limit)
        return connection_fail_read(L, connection,
                                    pending > limit ? FAILURE_LIMIT : connection_failure(connection, status));
    return connection_take(L, connection, pending, 0);
}

static int read_line_loop(lua_State *L, struct connection_object *connection, size_t limit, double until,
                          lua_KContext context, lua_KFunction step) {
    size_t searched = (size_t)context;
    for (;;) {
        int results = take_line(L, connection, limit, &searched);
        if (results) return results;
        enum io_status status = connection_try_fill(connection);
        if (status == IO_WAIT) return connection_park_reader(L, connection, until, (lua_KContext)searched, step);
        if (status != IO_DONE) return take_last_line(L, connection, limit, status);
    }
}

static int read_line_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, 1);
    if (resumed == LUA_YIELD && task_woken(L)) return connection_fail_read(L, connection, FAILURE_TIMEOUT);
    return read_line_loop(L, connection, (size_t)lua_tointeger(L, LINE_LIMIT), lua_tonumber(L, LINE_UNTIL), context,
                          read_line_step);
}

static int read_line(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    size_t limit = support_check_size(L, LINE_LIMIT, 1, LINE_MAX_BYTES);
    lua_settop(L, 1);
    lua_pushinteger(L, (lua_Integer)limit);
    lua_pushnumber(L, connection_time_limit(L, connection));
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
    lua_pushnumber(L, connection_time_limit(L, connection));
    return next_line_step(L, LUA_OK, 0);
}

static int next_line(lua_State *L) {
    return next_line_within(L, LINE_MAX_BYTES);
}

static int next_line_of(lua_State *L) {
    return next_line_within(L, lua_tointeger(L, lua_upvalueindex(1)));
}

static int lines(lua_State *L) {
    return connection_push_iterator(L, next_line, next_line_of);
}

const luaL_Reg connection_line_methods[] = {
    {"read_until", read_until}, {"read_line", read_line}, {"lines", lines}, {NULL, NULL}};
