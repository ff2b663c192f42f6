/* conn:pipe(other): everything from one connection to another, for proxies. Bytes go from the input of the one to the
 * output queue of the other without entering Lua; a slow taker parks the reading. */
#include "binding/connection.h"
#include "binding/runtime.h"
#include "binding/support.h"

#include <errno.h>

enum { PIPE_FROM = 1, PIPE_TO };

static int interrupt_wait(struct task *task, void *subject) {
    connection_forget(subject, &task->waiter);
    return 1;
}

static int pipe_step(lua_State *L, int resumed, lua_KContext moved);

static int wait_on(lua_State *L, struct task *task, struct connection *connection, lua_KContext moved) {
    return task_wait(L, task, task_runtime(task)->loop.now + (double)connection->timeout, interrupt_wait, connection,
                     moved, pipe_step);
}

static int wait_for_room(lua_State *L, struct connection *to, lua_KContext moved) {
    struct task *task = task_begin_wait(L, "pipe");
    if (to->writer) return luaL_error(L, "another task is waiting to write to this connection");
    connection_await_output(to, &task->waiter, to->high_water / 2);
    return wait_on(L, task, to, moved);
}

static int wait_for_input(lua_State *L, struct connection *from, lua_KContext moved) {
    struct task *task = task_begin_wait(L, "pipe");
    if (from->reader) return luaL_error(L, "another task is reading from this connection");
    connection_await_input(from, &task->waiter);
    return wait_on(L, task, from, moved);
}

/* Moves what is pending: how many bytes, or -1 when out of memory. */
static ptrdiff_t move_pending(struct connection *from, struct connection *to) {
    size_t count = connection_pending(from);
    if (connection_write_copy(to, buffer_data(from->input), count) < 0) return -1;
    connection_consume(from, count);
    return (ptrdiff_t)count;
}

static int end_of_input(lua_State *L, struct connection_object *from, enum io_status status, lua_KContext moved) {
    if (status != IO_END) return connection_fail(L, from, "read from", from->io.open ? errno : FAILURE_OURS);
    lua_pushinteger(L, (lua_Integer)moved);
    return 1;
}

static int pipe_step(lua_State *L, int resumed, lua_KContext moved) {
    struct connection_object *from = connection_check(L, PIPE_FROM), *to = connection_check(L, PIPE_TO);
    if (resumed == LUA_YIELD && task_woken(L)) return connection_fail(L, from, "pipe from", FAILURE_TIMEOUT);
    for (;;) {
        if (!to->io.open || to->io.shut) return connection_fail(L, to, "write to", FAILURE_OURS);
        if (to->io.stream.error) return connection_fail(L, to, "write to", to->io.stream.error);
        if (to->io.output.length > to->io.high_water) return wait_for_room(L, &to->io, moved);
        enum io_status status = from->io.open ? IO_DONE : IO_BROKEN;
        if (status == IO_DONE && !connection_pending(&from->io)) status = connection_fill(&from->io);
        if (status == IO_WAIT) return wait_for_input(L, &from->io, moved);
        if (status != IO_DONE) return end_of_input(L, from, status, moved);
        ptrdiff_t count = move_pending(&from->io, &to->io);
        if (count < 0) return luaL_error(L, "not enough memory");
        moved += count;
    }
}

/* conn:pipe(other) -> bytes moved, when this side's stream has ended; the other is not ended by it */
static int connection_pipe(lua_State *L) {
    connection_check(L, PIPE_FROM);
    connection_check(L, PIPE_TO);
    lua_settop(L, PIPE_TO);
    return pipe_step(L, LUA_OK, 0);
}

const luaL_Reg connection_pipe_methods[] = {{"pipe", connection_pipe}, {NULL, NULL}};
