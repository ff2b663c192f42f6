/* core.listener.listen: each client becomes a connection with its handler in a task. The connection is closed when the
 * handler ends; the handler's error is reported and closes just that connection. */
#include "binding/address.h"
#include "binding/connection.h"
#include "binding/descriptor.h"
#include "binding/listener.h"
#include "binding/runtime.h"
#include "binding/support.h"

struct arrival {
    struct listener_object *listener;
    const struct stream *stream;
    const struct endpoint *peer;
    struct task *task;
};

/* Makes connection and task of an accepted client; everything that can fail comes before its stream is taken. */
static int accept_take(lua_State *L) {
    struct arrival *arrival = lua_touserdata(L, 1);
    struct listener_object *listener = arrival->listener;
    struct connection_object *connection = connection_new(L);
    struct task *task = task_new(L, listener->scope);
    lua_rawgeti(L, LUA_REGISTRYINDEX, listener->handler);
    lua_insert(L, -2);
    lua_xmove(L, task->L, 2);
    connection_adopt_stream(connection, listener->runtime, *arrival->stream, listener->scheme, arrival->peer);
    if (listener->adopted) connection_part(listener->adopted, &connection->io);
    connection->io.timeout = listener->timeout;
    connection->io.high_water = listener->high_water;
    connection->listener = listener;
    connection->handler = task;
    task->kind = TASK_CONNECTION;
    task->ended = connection_on_handler_ended;
    task->ended_context = connection;
    arrival->task = task;
    return 0;
}

static int accept_connection(struct listener_object *listener, const struct stream *stream,
                             const struct endpoint *peer) {
    struct arrival arrival = {listener, stream, peer, NULL};
    if (runtime_call(listener->runtime, accept_take, &arrival) < 0) return -1;
    if (listener->adopted) task_schedule(arrival.task); /* some other task is running */
    else task_start(arrival.task);
    return 0;
}

static enum scheme check_arguments(lua_State *L, int options) {
    static const char *const names[] = {LISTENER_OPTIONS, "timeout", NULL};
    enum scheme scheme = listener_check_address(L);
    if (scheme != SCHEME_TCP && scheme != SCHEME_TLS && scheme != SCHEME_UNIX && !descriptor_test(L, 1))
        luaL_error(L, "listen cannot use the scheme '%s': tcp://, tls:// and unix: can be listened on",
                   scheme_name(scheme));
    support_check_options(L, options, names);
    return scheme_is_tls(scheme) ? SCHEME_TLS : SCHEME_TCP;
}

/* listener.probe(address, options, free) -> true, or nil, message, code: could it be listened on now? With free = false
 * it need not be: only the options are looked at. */
int connection_probe(lua_State *L) {
    lua_settop(L, 3);
    check_arguments(L, 2);
    support_option_seconds(L, 2, "timeout", CONNECTION_TIMEOUT);
    return listener_probe(L, 2);
}

static void replace(lua_State *L, struct listener_object *listener, int options) {
    listener->timeout = (float)support_option_seconds(L, options, "timeout", CONNECTION_TIMEOUT);
}

static const struct listener_protocol protocol = {.accepted = accept_connection, .replaced = replace};

/* listener.listen(address, handler, options) -> listener, or nil, message, code */
int connection_listen(lua_State *L) {
    enum scheme scheme = check_arguments(L, 3);
    struct listener_object *listener = listener_new(L, &protocol, 0);
    listener->timeout = (float)support_option_seconds(L, 3, "timeout", CONNECTION_TIMEOUT);
    return listener_listen(L, listener, scheme);
}
