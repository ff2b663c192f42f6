#include "binding/reader.h"
#include "binding/connection_wait.h"
#include "binding/support.h"

#include <stdint.h>
#include <stdlib.h>

static const char CLASS[] = "perigee.Reader";

enum reader_state { READER_LOOKING, READER_BAD };

struct reader {
    const struct message_format *format;
    struct connection_object *connection; /* kept by the first user value */
    size_t limit, scanned;
    enum reader_state state;
    struct buffer *held;     /* the connection's input, while a message is pushed */
    uint64_t format_state[]; /* as a userdata is aligned */
};

int reader_push(lua_State *L, const struct message_format *format, void **state) {
    struct connection_object *connection = connection_check(L, 1);
    if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE);
    lua_Integer limit = support_option_integer(L, 2, "limit", 1, (lua_Integer)1 << 40, READER_LIMIT);
    struct reader *reader = support_new(L, CLASS, sizeof *reader + format->state_size, 1);
    reader->format = format;
    reader->connection = connection;
    reader->limit = (size_t)limit;
    reader->state = READER_LOOKING;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    format->begin(reader->format_state);
    *state = reader->format_state;
    return 1;
}

static void reader_begin(struct reader *reader) {
    reader->scanned = 0;
    reader->format->begin(reader->format_state);
}

static int reader_fail_bad(lua_State *L, struct reader *reader, const char *why) {
    reader->state = READER_BAD;
    return connection_fail_protocol(L, reader->connection, why);
}

static int reader_fail_limit(lua_State *L, struct reader *reader) {
    reader->state = READER_BAD;
    return connection_fail_read(L, reader->connection, FAILURE_LIMIT);
}

static int reader_fail_end(lua_State *L, struct reader *reader, enum io_status status) {
    struct connection_object *connection = reader->connection;
    if (status != IO_END || !reader->scanned || !connection->io.open)
        return connection_fail_read(L, connection, connection_failure(connection, status));
    lua_pushfstring(L, "closed by the peer in the middle of a %s message", reader->format->name);
    return reader_fail_bad(L, reader, lua_tostring(L, -1));
}

/* Takes the whole message out of the input: how many values it has pushed. Pushing allocates, so finalizers may run,
 * and close the connection: its input is held meanwhile. Should pushing raise, the reader is of no more use. */
static int reader_deliver(lua_State *L, struct reader *reader) {
    struct connection *io = &reader->connection->io;
    reader->state = READER_BAD;
    reader->held = connection_hold_input(io);
    int results = reader->format->push(L, reader->format_state, buffer_data(reader->held), reader->scanned);
    connection_return_input(io, reader->held, reader->scanned);
    reader->held = NULL;
    reader_begin(reader);
    if (results < 0) return reader_fail_bad(L, reader, lua_tostring(L, -1));
    reader->state = READER_LOOKING;
    return results;
}

/* What the pending input gives: a number of results, or 0 when more bytes are needed. */
static int reader_look(lua_State *L, struct reader *reader) {
    struct connection *io = &reader->connection->io;
    size_t pending = connection_pending(io);
    if (pending < reader->scanned) reader_begin(reader); /* somebody else has read from the connection */
    while (pending > reader->scanned) {
        size_t used = 0;
        enum message_status status = reader->format->scan(
            reader->format_state, buffer_data(io->input) + reader->scanned, pending - reader->scanned, &used);
        reader->scanned += used;
        if (status == MESSAGE_BAD) return reader_fail_bad(L, reader, reader->format->explain(reader->format_state));
        int is_large = status == MESSAGE_LARGE || reader->scanned > reader->limit;
        if (is_large) return reader_fail_limit(L, reader);
        if (status == MESSAGE_MORE) return 0;
        int results = reader_deliver(L, reader);
        if (results) return results;
        pending = connection_pending(io);
    }
    return 0;
}

static int reader_next_step(lua_State *L, int resumed, lua_KContext context) {
    struct reader *reader = (struct reader *)context;
    struct connection_object *connection = reader->connection;
    if (resumed == LUA_YIELD && task_woken(L)) return connection_fail_read(L, connection, FAILURE_TIMEOUT);
    for (;;) {
        int results = reader_look(L, reader);
        if (results) return results;
        enum io_status status = connection_try_fill(connection);
        if (status == IO_WAIT)
            return connection_park_reader(L, connection, lua_tonumber(L, 2), context, reader_next_step);
        if (status != IO_DONE) return reader_fail_end(L, reader, status);
    }
}

/* reader:next() -> the values of the next message, which has to be complete within conn.timeout */
static int reader_next(lua_State *L) {
    struct reader *reader = luaL_checkudata(L, 1, CLASS);
    if (reader->state == READER_BAD)
        return connection_fail_protocol(L, reader->connection, "an earlier message could not be read");
    lua_settop(L, 1);
    lua_pushnumber(L, connection_time_limit(L, reader->connection));
    return reader_next_step(L, LUA_OK, (lua_KContext)reader);
}

/* reader:messages(): an iterator of reader:next(). It ends with the first nil; conn.error tells why. */
static int reader_messages(lua_State *L) {
    luaL_checkudata(L, 1, CLASS);
    lua_pushcfunction(L, reader_next);
    lua_pushvalue(L, 1);
    return 2;
}

static int reader_gc(lua_State *L) {
    struct reader *reader = luaL_checkudata(L, 1, CLASS);
    free(reader->held);
    reader->held = NULL;
    return 0;
}

static int reader_tostring(lua_State *L) {
    const struct reader *reader = luaL_checkudata(L, 1, CLASS);
    lua_pushfstring(L, "reader of %s", reader->format->name);
    return 1;
}

void reader_register(lua_State *L) {
    static const luaL_Reg methods[] = {{"next", reader_next}, {"messages", reader_messages}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", reader_gc}, {"__tostring", reader_tostring}, {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
}
