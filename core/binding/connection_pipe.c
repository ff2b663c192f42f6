/* conn:pipe(other): everything from one connection to another, for proxies. Bytes go from the input of the one to the
 * output queue of the other without entering Lua; a slow taker parks the reading. */
#include "binding/connection_wait.h"

/* PIPE_QUEUED is how much the taker had queued when the wait for room began; 0: the wait is for input. */
enum { PIPE_FROM = 1, PIPE_TO, PIPE_QUEUED };

/* Moves what is pending: how many bytes, or -1 when out of memory. */
static ptrdiff_t move_pending(struct connection *from, struct connection *to) {
    size_t count = connection_pending(from);
    if (connection_write_copy(to, buffer_data(from->input), count) < 0) return -1;
    connection_consume(from, count);
    return (ptrdiff_t)count;
}

static void remember_queued(lua_State *L, size_t queued) {
    lua_pushinteger(L, (lua_Integer)queued);
    lua_replace(L, PIPE_QUEUED);
}

static int pipe_step(lua_State *L, int resumed, lua_KContext moved);

static int wait_for_room(lua_State *L, struct connection_object *to, lua_KContext moved) {
    remember_queued(L, to->io.output.length);
    return connection_park_writer(L, to, to->io.high_water / 2, connection_time_limit(L, to), moved, pipe_step);
}

static int wait_for_input(lua_State *L, struct connection_object *from, lua_KContext moved) {
    remember_queued(L, 0);
    return connection_park_reader(L, from, connection_time_limit(L, from), moved, pipe_step);
}

/* A taker that is slow, but takes, is no reason to give up. */
static int has_taken(lua_State *L, const struct connection_object *to) {
    return to->io.output.length < (size_t)lua_tointeger(L, PIPE_QUEUED);
}

static int pipe_step(lua_State *L, int resumed, lua_KContext moved) {
    struct connection_object *from = connection_check(L, PIPE_FROM), *to = connection_check(L, PIPE_TO);
    if (resumed == LUA_YIELD && task_woken(L) && !has_taken(L, to))
        return connection_fail(L, from, "pipe from", FAILURE_TIMEOUT);
    for (;;) {
        int obstacle = connection_obstacle(to);
        if (obstacle) return connection_fail(L, to, "write to", obstacle);
        if (to->io.output.length > to->io.high_water) return wait_for_room(L, to, moved);
        enum io_status status = IO_DONE;
        if (!connection_pending(&from->io)) status = connection_try_fill(from);
        if (status == IO_WAIT) return wait_for_input(L, from, moved);
        if (status == IO_BROKEN) return connection_fail_read(L, from, connection_failure(from, status));
        if (status == IO_END) break;
        ptrdiff_t count = move_pending(&from->io, &to->io);
        if (count < 0) return luaL_error(L, "not enough memory");
        moved += count;
    }
    lua_pushinteger(L, (lua_Integer)moved);
    return 1;
}

/* conn:pipe(other) -> bytes moved, when this side's stream has ended; the other is not ended by it */
static int connection_pipe(lua_State *L) {
    connection_check(L, PIPE_FROM);
    connection_check(L, PIPE_TO);
    lua_settop(L, PIPE_QUEUED);
    return pipe_step(L, LUA_OK, 0);
}

const luaL_Reg connection_pipe_methods[] = {{"pipe", connection_pipe}, {NULL, NULL}};
