/* core.listener: the class, its life, and turning clients away. What becomes of a client is its protocol's. */
#include "binding/listener.h"
#include "binding/address.h"
#include "binding/connection.h"
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/socket_options.h"
#include "binding/support.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static const char CLASS[] = "perigee.listener", ON_REFUSED[] = "perigee.on_refused";

static const double REFUSED_SECONDS = 1; /* between two reports of refused clients */

static struct listener_object *check_listener(lua_State *L) {
    return luaL_checkudata(L, 1, CLASS);
}

/* Once it is closed and its last connection has ended, nothing refers to the userdata any more. */
static void listener_let_go(struct listener_object *object) {
    if (object->io.open || object->active || object->anchor == LUA_NOREF) return;
    lua_State *L = object->runtime->L;
    luaL_unref(L, LUA_REGISTRYINDEX, object->handler);
    luaL_unref(L, LUA_REGISTRYINDEX, object->anchor);
    object->handler = object->anchor = LUA_NOREF;
    scope_drop(object->scope);
    object->scope = NULL;
}

static void listener_object_end(struct listener_object *object) {
    if (!object->io.open) return;
    socket_unlink(&object->address);
    listener_close(&object->io);
    if (object->protocol->closed) object->protocol->closed(object);
    listener_let_go(object);
}

void listener_on_connection_ended(struct listener_object *object) {
    if (object->active-- == object->max_connections) listener_pause(&object->io, 0);
    listener_let_go(object);
}

static void listener_on_accepted(struct listener *io, int fd, const struct endpoint *peer) {
    struct listener_object *object = (struct listener_object *)io;
    if (++object->active == object->max_connections) listener_pause(io, 1);
    if (object->protocol->accepted(object, fd, peer) == 0) return;
    close(fd);
    listener_on_connection_ended(object);
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

static void check_options(lua_State *L, int table, struct listener_object *object, struct socket_options *options) {
    socket_options_check(L, table, options);
    object->max_connections = (unsigned)support_option_integer(L, table, "max_connections", 1, INT_MAX, INT_MAX);
    object->high_water = (uint32_t)support_option_integer(L, table, "high_water", 1, UINT32_MAX, CONNECTION_HIGH_WATER);
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
    object->handler = object->anchor = LUA_NOREF;
    return object;
}

int listener_listen(lua_State *L, struct listener_object *object, enum scheme scheme) {
    struct address_object *address = address_test(L, LISTEN_ADDRESS);
    struct socket_options options;
    object->scheme = address->scheme == SCHEME_UNIX ? SCHEME_UNIX : scheme;
    check_options(L, LISTEN_OPTIONS, object, &options);
    lua_pushvalue(L, LISTEN_HANDLER);
    int handler = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, LISTEN_OBJECT);
    int anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    int fd = socket_listen(&address->endpoint, &options), error = errno;
    if (fd < 0 || socket_local(fd, &object->address) < 0) {
        luaL_unref(L, LUA_REGISTRYINDEX, handler);
        luaL_unref(L, LUA_REGISTRYINDEX, anchor);
        return listener_fail(L, error);
    }
    object->handler = handler;
    object->anchor = anchor;
    object->scope = scope_hold(scope_root(object->runtime->current));
    object->io.accepted = listener_on_accepted;
    object->io.refused = listener_on_refused;
    listener_init(&object->io, &object->runtime->loop, fd);
    return 1;
}

int listener_probe(lua_State *L, int options_table) {
    struct address_object *address = address_test(L, LISTEN_ADDRESS);
    struct listener_object settings;
    struct socket_options options;
    check_options(L, options_table, &settings, &options);
    if (socket_probe(&address->endpoint, &options) < 0) return listener_fail(L, errno);
    lua_pushboolean(L, 1);
    return 1;
}

/* listener.on_refused(function(address, count, reason)): told of clients turned away, at most once a second */
static int on_refused(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, ON_REFUSED);
    return 0;
}

static int listener_object_close(lua_State *L) {
    listener_object_end(check_listener(L));
    return 0;
}

static int listener_gc(lua_State *L) {
    struct listener_object *object = check_listener(L);
    listener_object_end(object);
    if (object->protocol->freed) object->protocol->freed(object);
    if (object->scope) scope_drop(object->scope); /* the state is being closed with connections alive */
    object->scope = NULL;
    return 0;
}

static int listener_index(lua_State *L) {
    struct listener_object *object = check_listener(L);
    if (support_index_method(L)) return 1;
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "address") == 0) address_push(L, object->scheme, &object->address);
    else if (strcmp(name, "active") == 0) lua_pushinteger(L, object->active);
    else if (strcmp(name, "is_open") == 0) lua_pushboolean(L, object->io.open);
    else lua_pushnil(L);
    return 1;
}

static int listener_tostring(lua_State *L) {
    struct listener_object *object = check_listener(L);
    address_push(L, object->scheme, &object->address);
    lua_pushfstring(L, "listener: %s%s", luaL_tolstring(L, -1, NULL), object->io.open ? "" : " (closed)");
    return 1;
}

int luaopen_core_listener(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"listen", connection_listen}, {"probe", connection_probe}, {"on_refused", on_refused}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"close", listener_object_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__index", listener_index},
                                           {"__tostring", listener_tostring},
                                           {"__close", listener_object_close},
                                           {"__gc", listener_gc},
                                           {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
