#include "binding/connection_wait.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "io/tls.h"

#include <errno.h>

static int interrupt_wait(struct task *task, void *subject) {
    connection_forget(subject, &task->waiter);
    return 1;
}

double connection_time_limit(lua_State *L, const struct connection_object *connection) {
    return runtime_of(L)->loop.now + (double)connection->io.timeout;
}

int connection_park_reader(lua_State *L, struct connection_object *connection, double until, lua_KContext context,
                           lua_KFunction step) {
    if (connection->io.retiring && !connection_pending(&connection->io)) {
        if (connection_look(&connection->io)) return step(L, LUA_OK, context);
        connection_hold_back(&connection->io, 1);
        return connection_fail_read(L, connection, FAILURE_RETIRED);
    }
    struct task *task = task_begin_wait(L, "read");
    if (connection->io.reader) return luaL_error(L, "another task is reading from this connection");
    connection_await_input(&connection->io, &task->waiter);
    return task_wait(L, task, until, interrupt_wait, &connection->io, context, step);
}

static struct task *begin_write(lua_State *L, const struct connection_object *connection) {
    struct task *task = task_begin_wait(L, "write");
    if (connection->io.writer) luaL_error(L, "another task is waiting to write to this connection");
    return task;
}

int connection_park_writer(lua_State *L, struct connection_object *connection, size_t level, double until,
                           lua_KContext context, lua_KFunction step) {
    struct task *task = begin_write(L, connection);
    connection_await_output(&connection->io, &task->waiter, (uint32_t)level);
    return task_wait(L, task, until, interrupt_wait, &connection->io, context, step);
}

int connection_park_for_room(lua_State *L, struct connection_object *connection, double until, lua_KContext context,
                             lua_KFunction step) {
    struct task *task = begin_write(L, connection);
    connection_await_room(&connection->io, &task->waiter);
    return task_wait(L, task, until, interrupt_wait, &connection->io, context, step);
}

enum io_status connection_try_fill(struct connection_object *connection) {
    return connection->io.open ? connection_fill(&connection->io) : IO_BROKEN;
}

int connection_failure(const struct connection_object *connection, enum io_status status) {
    if (!connection->io.open) return FAILURE_OURS;
    if (status == IO_END) return FAILURE_CLOSED;
    return connection->io.stream.error ? connection->io.stream.error : errno;
}

int connection_fail_read(lua_State *L, struct connection_object *connection, int failure) {
    return connection_fail(L, connection, "read from", failure);
}

int connection_obstacle(const struct connection_object *connection) {
    if (!connection->io.open || connection->io.shut) return FAILURE_OURS;
    if (connection->io.stream.error) return connection->io.stream.error;
    return stream_is_shaking_hands(&connection->io.stream) ? FAILURE_HANDSHAKE : 0;
}

int connection_take(lua_State *L, struct connection_object *connection, size_t count, size_t more) {
    const char *data = count || more ? (const char *)buffer_data(connection->io.input) : "";
    lua_pushlstring(L, data, count);
    connection_consume(&connection->io, count + more);
    return 1;
}

int connection_push_iterator(lua_State *L, lua_CFunction plain, lua_CFunction limited) {
    connection_check(L, 1);
    if (lua_isnoneornil(L, 2)) {
        lua_pushcfunction(L, plain);
    } else {
        lua_pushinteger(L, (lua_Integer)support_check_size(L, 2, 1, 0));
        lua_pushcclosure(L, limited, 1);
    }
    lua_pushvalue(L, 1);
    return 2;
}
