#include "binding/retire.h"
#include "binding/connection.h"
#include "binding/websocket.h"

static void retire(struct connection *io, int wakes) {
    io->retiring = 1;
    if (wakes) waiter_wake(&io->reader, WAKE_LATER);
}

static void retire_task(struct task *task, int wakes) {
    struct websocket_object *socket = task->ended_context;
    struct connection_object *connection = task->ended_context;
    if (task->ended == websocket_on_handler_ended) retire(&socket->io.io, wakes);
    else if (task->ended == connection_on_handler_ended) retire(&connection->io, wakes);
}

void scope_retire(struct scope *scope, int wakes) {
    for (struct task *task = scope->tasks; task; task = task->younger) {
        if (task->courtesy != TASK_TO_RETIRE && (task->courtesy != TASK_RETIRED || !wakes)) continue;
        task->courtesy = wakes ? TASK_RETIRED_AWAKE : TASK_RETIRED;
        retire_task(task, wakes);
    }
}

struct task *retire_handler_of(lua_State *L, int index) {
    const struct connection_object *connection = connection_test(L, index);
    const struct websocket_object *socket = connection ? NULL : websocket_test(L, index);
    luaL_argcheck(L, connection || socket, index, "a connection or WebSocket expected");
    return connection ? connection->handler : socket->handler;
}

/* Takes it back where argument 2 is false. */
static int retire_or_not(lua_State *L, struct connection *io) {
    int retiring = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
    if (retiring) retire(io, 1);
    else io->retiring = 0;
    connection_hold_back(io, retiring);
    return 0;
}

/* conn:retire(retiring) */
static int connection_object_retire(lua_State *L) {
    return retire_or_not(L, &connection_check(L, 1)->io);
}

/* socket:retire(retiring) */
static int websocket_object_retire(lua_State *L) {
    return retire_or_not(L, &websocket_check(L)->io.io);
}

/* conn:retire_at_stop() */
static int connection_retire_at_stop(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    if (connection->handler) connection->handler->courtesy = TASK_TO_RETIRE;
    return 0;
}

const luaL_Reg connection_retire_methods[] = {
    {"retire", connection_object_retire}, {"retire_at_stop", connection_retire_at_stop}, {NULL, NULL}};
const luaL_Reg websocket_retire_methods[] = {{"retire", websocket_object_retire}, {NULL, NULL}};
