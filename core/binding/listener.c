/* core.listener: the class, its life, and turning clients away. What becomes of a client is its protocol's. */
#include "binding/listener.h"
#include "binding/address.h"
#include "binding/connection.h"
#include "binding/descriptor.h"
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/socket_options.h"
#include "binding/support.h"
#include "binding/websocket.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static const char CLASS[] = "perigee.listener", ON_REFUSED[] = "perigee.on_refused";

static const double REFUSED_SECONDS = 1; /* between two reports of refused clients */

struct listener_object *listener_check(lua_State *L) {
    return luaL_checkudata(L, 1, CLASS);
}

void listener_let_go(struct listener_object *object) {
    if (object->io.open || object->active || object->anchor == LUA_NOREF) return;
    lua_State *L = object->runtime->L;
    luaL_unref(L, LUA_REGISTRYINDEX, object->handler);
    luaL_unref(L, LUA_REGISTRYINDEX, object->anchor);
    listener_tls_release(L, &object->tls);
    object->handler = object->anchor = LUA_NOREF;
    scope_drop(object->scope);
    object->scope = NULL;
}

static void listener_object_end(struct listener_object *object) {
    if (!object->io.open && !object->draining) return;
    if (!object->draining && !object->keep_path) socket_unlink(&object->address);
    object->draining = 0;
    listener_close(&object->io);
    if (object->protocol->closed) object->protocol->closed(object);
    listener_let_go(object);
}

void listener_on_connection_ended(struct listener_object *object) {
    if (object->active-- == object->max_connections) listener_pause(&object->io, object->paused);
    activity_tell(&object->activity);
    listener_let_go(object);
}

void listener_take(struct listener_object *object, struct stream *stream, const struct endpoint *peer) {
    if (object->protocol->accepted(object, stream, peer) == 0) return;
    stream->transport->close(stream);
    listener_on_connection_ended(object);
}

static void listener_on_accepted(struct listener *io, int fd, const struct endpoint *peer) {
    struct listener_object *object = (struct listener_object *)io;
    struct stream stream;
    io->loop->totals.accepted++;
    if (++object->active == object->max_connections) listener_pause(io, 1);
    stream_init_plain(&stream, fd);
    if (object->tls.context) listener_shake_hands(object, &stream, peer);
    else listener_take(object, &stream, peer);
}

static int listener_report_refused(lua_State *L) {
    struct listener_object *object = lua_touserdata(L, 1);
    if (lua_getfield(L, LUA_REGISTRYINDEX, ON_REFUSED) != LUA_TFUNCTION) return 0;
    address_push(L, object->scheme, &object->address);
    lua_pushinteger(L, object->refused);
    lua_pushstring(L, strerror(object->error));
    lua_call(L, 3, 0);
    return 0;
}

static void listener_on_refused(struct listener *io, int error) {
    struct listener_object *object = (struct listener_object *)io;
    object->refused++;
    if (object->runtime->loop.now < object->reported + REFUSED_SECONDS) return;
    object->reported = object->runtime->loop.now;
    object->error = error;
    runtime_call(object->runtime, listener_report_refused, object);
    object->refused = 0;
}

void listener_check_options(lua_State *L, int table, struct listener_object *object, struct socket_options *options) {
    socket_options_check(L, table, options);
    object->max_connections = (unsigned)support_option_integer(L, table, "max_connections", 1, INT_MAX, INT_MAX);
    object->high_water = (uint32_t)support_option_integer(L, table, "high_water", 1, UINT32_MAX, CONNECTION_HIGH_WATER);
    object->paused = support_option_boolean(L, table, "paused", 0) != 0;
    object->keep_path = support_option_boolean(L, table, "keep_path", 0) != 0;
}

enum { LISTEN_ADDRESS = 1, LISTEN_HANDLER, LISTEN_OPTIONS, LISTEN_OBJECT };

static int listener_fail(lua_State *L, int error) {
    return support_fail_errno(L, error, "listen on", luaL_tolstring(L, LISTEN_ADDRESS, NULL));
}

struct listener_object *listener_new(lua_State *L, const struct listener_protocol *protocol, size_t server_size) {
    luaL_checktype(L, LISTEN_HANDLER, LUA_TFUNCTION);
    lua_settop(L, LISTEN_OPTIONS);
    struct listener_object *object = support_new(L, CLASS, sizeof *object + server_size, 0);
    object->runtime = runtime_of(L);
    object->protocol = protocol;
    activity_init(&object->activity, &object->active);
    object->handler = object->anchor = object->tls.anchor = LUA_NOREF;
    return object;
}

enum scheme listener_check_address(lua_State *L) {
    const struct descriptor_object *descriptor = descriptor_test(L, LISTEN_ADDRESS);
    const struct address_object *address = address_test(L, LISTEN_ADDRESS);
    luaL_argcheck(L, address || descriptor, LISTEN_ADDRESS, "it must be an address or a descriptor");
    return descriptor ? descriptor->scheme : address->scheme;
}

/* Of a descriptor that has come from elsewhere nothing says whether its clients speak TLS. */
static enum scheme tls_scheme(lua_State *L) {
    enum scheme scheme = listener_check_address(L);
    return descriptor_test(L, LISTEN_ADDRESS) && !scheme_is_tls(scheme) ? SCHEME_UNIX : scheme;
}

/* A descriptor is taken over. What its socket has not been told yet, it is told now. */
static int open_socket(lua_State *L, const struct socket_options *options) {
    struct descriptor_object *descriptor = descriptor_test(L, LISTEN_ADDRESS);
    if (!descriptor) return socket_listen(&address_test(L, LISTEN_ADDRESS)->endpoint, options);
    int family = descriptor_is_unix_socket(descriptor->fd) ? AF_UNIX : AF_INET;
    if (socket_configure(descriptor->fd, family, options) < 0) return -1;
    descriptor_set_blocking(descriptor->fd, 0);
    return descriptor_take(descriptor);
}

/* A descriptor does not know whether its clients speak TLS. */
static enum scheme scheme_of(const struct listener_object *object, enum scheme scheme) {
    if (object->address.as.any.sa_family == AF_UNIX) return SCHEME_UNIX;
    if (!object->tls.context) return scheme;
    return scheme == SCHEME_HTTP ? SCHEME_HTTPS : scheme == SCHEME_TCP ? SCHEME_TLS : scheme;
}

int listener_listen(lua_State *L, struct listener_object *object, enum scheme scheme) {
    struct socket_options options;
    int taken = descriptor_test(L, LISTEN_ADDRESS) != NULL;
    int unfit = taken ? descriptor_check_kind(L, LISTEN_ADDRESS, DESCRIPTOR_LISTENER, "listen on") : 0;
    if (unfit) return unfit;
    listener_check_options(L, LISTEN_OPTIONS, object, &options);
    listener_tls_read(L, LISTEN_OPTIONS, tls_scheme(L), &object->tls);
    lua_settop(L, LISTEN_OBJECT);
    lua_pushvalue(L, LISTEN_HANDLER);
    int handler = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, LISTEN_OBJECT);
    int anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    int fd = open_socket(L, &options);
    if (fd < 0 || socket_local(fd, &object->address) < 0) {
        int error = errno;
        if (fd >= 0) close(fd);
        luaL_unref(L, LUA_REGISTRYINDEX, handler);
        luaL_unref(L, LUA_REGISTRYINDEX, anchor);
        listener_tls_release(L, &object->tls);
        return listener_fail(L, error);
    }
    object->scheme = scheme_of(object, scheme);
    object->handler = handler;
    object->anchor = anchor;
    object->scope = scope_hold(scope_root(object->runtime->current));
    object->io.accepted = listener_on_accepted;
    object->io.refused = listener_on_refused;
    listener_init(&object->io, &object->runtime->loop, fd);
    if (object->paused) listener_pause(&object->io, 1);
    return 1;
}

/* With false behind the options, the address need not be free. */
int listener_probe(lua_State *L, int options_table) {
    struct address_object *address = address_test(L, LISTEN_ADDRESS);
    struct listener_object settings;
    struct socket_options options;
    listener_check_options(L, options_table, &settings, &options);
    listener_tls_read(L, options_table, tls_scheme(L), &settings.tls);
    listener_tls_release(L, &settings.tls);
    int is_taken = lua_isboolean(L, options_table + 1) && !lua_toboolean(L, options_table + 1);
    if (address && !is_taken && socket_probe(&address->endpoint, &options) < 0) return listener_fail(L, errno);
    lua_pushboolean(L, 1);
    return 1;
}

/* listener.on_refused(function(address, count, reason)): told of clients turned away, at most once a second */
static int on_refused(lua_State *L) {
    return support_keep_callback(L, ON_REFUSED);
}

/* listener.handler_of(connection) -> the function that serves those who come now to where this connection or WebSocket
 * has come; nil: nobody can come there any more, or it came nowhere */
static int listener_handler_of(lua_State *L) {
    const struct connection_object *connection = connection_test(L, 1);
    const struct websocket_object *socket = connection ? NULL : websocket_test(L, 1);
    luaL_argcheck(L, connection || socket, 1, "a connection or WebSocket expected");
    const struct listener_object *object = connection ? connection->listener : socket->listener;
    int is_served = object && object->io.open && (connection ? connection->handler : socket->handler);
    if (is_served) lua_rawgeti(L, LUA_REGISTRYINDEX, object->handler);
    else lua_pushnil(L);
    return 1;
}

static int listener_object_close(lua_State *L) {
    listener_object_end(listener_check(L));
    return 0;
}

static int listener_gc(lua_State *L) {
    struct listener_object *object = listener_check(L);
    listener_object_end(object);
    if (object->protocol->freed) object->protocol->freed(object);
    if (object->scope) scope_drop(object->scope); /* the state is being closed with connections alive */
    object->scope = NULL;
    return 0;
}

static int listener_index(lua_State *L) {
    struct listener_object *object = listener_check(L);
    if (support_index_method(L)) return 1;
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "address") == 0) address_push(L, object->scheme, &object->address);
    else if (strcmp(name, "active") == 0) lua_pushinteger(L, object->active);
    else if (strcmp(name, "is_open") == 0) lua_pushboolean(L, object->io.open);
    else lua_pushnil(L);
    return 1;
}

static int listener_tostring(lua_State *L) {
    struct listener_object *object = listener_check(L);
    address_push(L, object->scheme, &object->address);
    lua_pushfstring(L, "listener: %s%s", luaL_tolstring(L, -1, NULL), object->io.open ? "" : " (closed)");
    return 1;
}

int luaopen_core_listener(lua_State *L) {
    static const luaL_Reg functions[] = {{"listen", connection_listen},
                                         {"probe", connection_probe},
                                         {"on_refused", on_refused},
                                         {"handler_of", listener_handler_of},
                                         {"on_handshake_failed", listener_on_handshake_failed},
                                         {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"adopt", listener_adopt},         {"close", listener_object_close},    {"drain", listener_drain},
        {"await", listener_await},         {"pause", listener_pause_accepting}, {"replace", listener_replace},
        {"duplicate", listener_duplicate}, {"withdraw", listener_withdraw},     {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__index", listener_index},
                                           {"__tostring", listener_tostring},
                                           {"__close", listener_object_close},
                                           {"__gc", listener_gc},
                                           {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
