/* listener:drain and listener:await: a listener whose place another process takes. */
#include "binding/listener.h"
#include "binding/support.h"
#include "system/socket.h"

#include <sys/socket.h>

static const double GRACE = 5;

/* listener:drain(seconds, keep_path): accepts nothing any more, and parts with its clients so that none is harmed: connections of
 * net.serve end by themselves; a client of HTTP is told by the answer to its next request, or its connection is closed
 * when it has been silent for so long. close() ends what is idle then at once. With keep_path the file of a Unix socket
 * stays: somebody else has it. */
int listener_drain(lua_State *L) {
    struct listener_object *object = listener_check(L);
    lua_settop(L, 3);
    double grace = support_check_seconds(L, 2, GRACE);
    if (!object->io.open) return 0;
    if (!object->keep_path && !lua_toboolean(L, 3)) socket_unlink(&object->address);
    listener_close(&object->io);
    object->draining = 1;
    if (object->protocol->drained) object->protocol->drained(object, grace);
    listener_let_go(object);
    return 0;
}

/* listener:withdraw(): nobody can connect to its socket any more, whichever processes have it too; to be closed after */
int listener_withdraw(lua_State *L) {
    struct listener_object *object = listener_check(L);
    if (object->io.open) shutdown(object->io.io.fd, SHUT_RDWR);
    return 0;
}

/* listener:pause(paused): accepts nothing by itself until it is paused no more; default true */
int listener_pause_accepting(lua_State *L) {
    struct listener_object *object = listener_check(L);
    object->paused = lua_isnone(L, 2) || lua_toboolean(L, 2);
    if (object->active < object->max_connections) listener_pause(&object->io, object->paused);
    return 0;
}

/* listener:await(below, seconds) -> true, or nil, message, code: until fewer connections are active */
int listener_await(lua_State *L) {
    return activity_await(L, &listener_check(L)->activity);
}
