/* listener:adopt(connection): clients that somebody else has accepted, another process perhaps. */
#include "binding/connection.h"
#include "binding/listener.h"
#include "binding/support.h"

/* Why a connection cannot be adopted: 0, or the results of failing. */
static int fail_adopted(lua_State *L, const struct listener_object *object, const struct connection *from) {
    const char *text = luaL_tolstring(L, 2, NULL);
    if (!object->io.open) return support_fail(L, "closed", "adopt %s: the listener is closed", text);
    if (!from->open) return support_fail(L, "closed", "adopt %s: it is closed", text);
    if (from->stream.session) return support_fail(L, "tls", "adopt %s: it carries TLS already", text);
    if (object->tls.context && (connection_pending(from) || from->output.length))
        return support_fail(L, "protocol", "adopt %s: there are bytes before its TLS handshake", text);
    if (object->active == object->max_connections)
        return support_fail(L, "limit", "adopt %s: the listener has as many connections as it may have", text);
    lua_pop(L, 1);
    return 0;
}

/* 0, or -1 when out of memory: then nothing has happened. */
static int listener_accept_adopted(struct listener_object *object, struct connection *from) {
    struct endpoint peer = {.length = 0};
    struct stream stream = from->stream;
    int failed = 0;
    socket_remote(stream.fd, &peer);
    object->io.loop->totals.accepted++;
    if (++object->active == object->max_connections) listener_pause(&object->io, 1);
    if (object->tls.context) {
        connection_part(from, NULL);
        listener_shake_hands(object, &stream, &peer);
        return 0;
    }
    object->adopted = from;
    failed = object->protocol->accepted(object, &stream, &peer);
    object->adopted = NULL;
    if (failed) listener_on_connection_ended(object);
    return failed;
}

/* listener:adopt(connection) -> true, or nil, message, code: as if it had been accepted here, with what is pending and
 * queued. The object is closed after. */
int listener_adopt(lua_State *L) {
    struct listener_object *object = listener_check(L);
    struct connection *from = &connection_check(L, 2)->io;
    int failed = fail_adopted(L, object, from);
    if (failed) return failed;
    if (from->reader || from->writer) return luaL_error(L, "a task waits on the connection that is to be adopted");
    if (from->members) return luaL_error(L, "the connection that is to be adopted is in a fan-out");
    if (listener_accept_adopted(object, from) < 0)
        return support_fail(L, "limit", "adopt %s: not enough memory", luaL_tolstring(L, 2, NULL));
    lua_pushboolean(L, 1);
    return 1;
}
