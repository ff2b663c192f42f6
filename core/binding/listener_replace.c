/* listener:replace and listener:duplicate: what a reload makes of a listener that is there already. Its socket stays as
 * it is, and so do the clients that have a handler. */
#include "binding/address.h"
#include "binding/descriptor.h"
#include "binding/listener.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "system/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { REPLACE_LISTENER = 1, REPLACE_HANDLER, REPLACE_OPTIONS, REPLACE_SCOPE, REPLACE_ADDRESS };

static enum scheme scheme_for(const struct listener_object *object, enum scheme wanted,
                              const struct listener_tls *tls) {
    if (object->address.as.any.sa_family == AF_UNIX) return SCHEME_UNIX;
    return wanted == SCHEME_UNIX ? (tls->context ? SCHEME_TLS : SCHEME_TCP) : wanted;
}

static void swap_reference(lua_State *L, int *reference, int value) {
    lua_pushvalue(L, value);
    int fresh = luaL_ref(L, LUA_REGISTRYINDEX);
    luaL_unref(L, LUA_REGISTRYINDEX, *reference);
    *reference = fresh;
}

/* What counts for its clients from now on. The reports of failed handshakes are counted on. */
static void apply(lua_State *L, struct listener_object *object, const struct listener_object *settings,
                  enum scheme scheme) {
    struct scope *before = object->scope;
    swap_reference(L, &object->handler, REPLACE_HANDLER);
    listener_tls_release(L, &object->tls);
    object->tls.context = settings->tls.context;
    object->tls.anchor = settings->tls.anchor;
    object->tls.timeout = settings->tls.timeout;
    object->scheme = scheme_for(object, scheme, &object->tls);
    object->max_connections = settings->max_connections;
    object->high_water = settings->high_water;
    object->scope = scope_hold(scope_check(L, REPLACE_SCOPE));
    scope_drop(before);
    listener_pause(&object->io, object->paused || object->active >= object->max_connections);
}

/* listener:replace(handler, options, scope, address): clients that come from now on, and requests of HTTP clients that
 * are there, are served by this handler, in this scope. It must be open, and its protocol is the same; the options have
 * been looked at before by probe. What cannot be changed raises, and nothing has happened then. */
int listener_replace(lua_State *L) {
    struct listener_object *object = listener_check(L), settings = {0};
    struct socket_options options;
    luaL_checktype(L, REPLACE_HANDLER, LUA_TFUNCTION);
    lua_settop(L, REPLACE_ADDRESS);
    scope_check(L, REPLACE_SCOPE);
    if (!object->io.open) return luaL_error(L, "the listener is closed");
    const struct address_object *address = address_test(L, REPLACE_ADDRESS);
    enum scheme scheme = address ? address->scheme : object->scheme;
    listener_check_options(L, REPLACE_OPTIONS, &settings, &options);
    if (socket_configure(object->io.io.fd, object->address.as.any.sa_family, &options) < 0)
        return luaL_error(L, "the options of the socket: %s", strerror(errno));
    object->protocol->replaced(L, object, REPLACE_OPTIONS);
    listener_tls_read(L, REPLACE_OPTIONS, address ? scheme : SCHEME_UNIX, &settings.tls);
    apply(L, object, &settings, scheme);
    return 0;
}

/* listener:duplicate() -> a descriptor of the same socket; or nil, message, code */
int listener_duplicate(lua_State *L) {
    struct listener_object *object = listener_check(L);
    if (!object->io.open) return luaL_error(L, "the listener is closed");
    int fd = fcntl(object->io.io.fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return support_fail_errno(L, errno, "duplicate", luaL_tolstring(L, 1, NULL));
    return descriptor_push_raw(L, &fd);
}
