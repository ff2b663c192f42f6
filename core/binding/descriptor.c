/* core.descriptor: open files and sockets that nothing here reads or writes. A process that owns listening sockets for
 * others holds them so; what comes by conn:receive_fd and has no class of its own is one. */
#include "binding/descriptor.h"
#include "binding/address.h"
#include "binding/connection.h"
#include "binding/connection_descriptors.h"
#include "binding/datagram.h"
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/socket_options.h"
#include "binding/support.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char CLASS[] = "perigee.descriptor";

struct descriptor_object *descriptor_check(lua_State *L, int argument) {
    return luaL_checkudata(L, argument, CLASS);
}

struct descriptor_object *descriptor_test(lua_State *L, int index) {
    return luaL_testudata(L, index, CLASS);
}

struct descriptor_object *descriptor_new(lua_State *L) {
    struct descriptor_object *descriptor = support_new(L, CLASS, sizeof *descriptor, 0);
    descriptor->fd = -1;
    return descriptor;
}

static enum scheme scheme_of(int fd) {
    if (descriptor_kind(fd) == DESCRIPTOR_DATAGRAM) return SCHEME_UDP;
    return descriptor_is_unix_socket(fd) ? SCHEME_UNIX : SCHEME_TCP;
}

int descriptor_take(struct descriptor_object *descriptor) {
    int fd = descriptor->fd;
    descriptor->fd = -1;
    return fd;
}

static void descriptor_close(struct descriptor_object *descriptor) {
    struct endpoint local;
    int fd = descriptor_take(descriptor);
    if (fd < 0) return;
    if (descriptor->unlinks && socket_local(fd, &local) == 0) socket_unlink(&local);
    close(fd);
}

/* What a descriptor becomes. */

static void push_connection(lua_State *L, int *fd) {
    struct connection_object *connection = connection_new(L);
    struct endpoint peer;
    int has_peer = socket_remote(*fd, &peer) == 0;
    descriptor_set_blocking(*fd, 0);
    enum scheme scheme = has_peer && peer.as.any.sa_family != AF_UNIX ? SCHEME_TCP : SCHEME_UNIX;
    connection_adopt(connection, runtime_of(L), *fd, scheme, has_peer ? &peer : NULL);
    *fd = -1;
}

static int file_close(lua_State *L) {
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

static void push_file(lua_State *L, int *fd) {
    luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    stream->closef = NULL; /* closed, until it has its file */
    luaL_setmetatable(L, LUA_FILEHANDLE);
    stream->f = fdopen(*fd, descriptor_mode(*fd));
    if (!stream->f) luaL_error(L, "not enough memory");
    stream->closef = file_close;
    *fd = -1;
}

int descriptor_push_raw(lua_State *L, int *fd) {
    struct descriptor_object *descriptor = descriptor_new(L);
    descriptor->scheme = scheme_of(*fd);
    descriptor->fd = *fd;
    *fd = -1;
    return 1;
}

int descriptor_push(lua_State *L, int *fd) {
    switch (descriptor_kind(*fd)) {
    case DESCRIPTOR_CONNECTION:
    case DESCRIPTOR_PIPE: push_connection(L, fd); break;
    case DESCRIPTOR_DATAGRAM: datagram_push(L, fd); break;
    case DESCRIPTOR_FILE: push_file(L, fd); break;
    default: descriptor_push_raw(L, fd);
    }
    return 1;
}

/* Taking over. */

static int is_kind(enum descriptor_kind kind, enum descriptor_kind wanted) {
    return kind == wanted || (kind == DESCRIPTOR_PIPE && wanted == DESCRIPTOR_CONNECTION);
}

int descriptor_check_kind(lua_State *L, int argument, enum descriptor_kind wanted, const char *operation) {
    struct descriptor_object *descriptor = descriptor_check(L, argument);
    const char *text = luaL_tolstring(L, argument, NULL);
    if (descriptor->fd < 0) return support_fail(L, "closed", "%s %s: it was closed or taken over", operation, text);
    enum descriptor_kind kind = descriptor_kind(descriptor->fd);
    if (!is_kind(kind, wanted))
        return support_fail(L, "protocol", "%s %s: a %s is needed, and its kind is '%s'", operation, text,
                            descriptor_kind_name(wanted), descriptor_kind_name(kind));
    lua_pop(L, 1);
    return 0;
}

/* d:connection() -> connection, or nil, message, code: it takes the descriptor over */
static int descriptor_connection(lua_State *L) {
    int failed = descriptor_check_kind(L, 1, DESCRIPTOR_CONNECTION, "make a connection of");
    if (failed) return failed;
    return push_connection(L, &descriptor_check(L, 1)->fd), 1;
}

/* d:datagram() -> datagram socket, or nil, message, code: it takes the descriptor over */
static int descriptor_datagram(lua_State *L) {
    int failed = descriptor_check_kind(L, 1, DESCRIPTOR_DATAGRAM, "make a datagram socket of");
    if (failed) return failed;
    return datagram_push(L, &descriptor_check(L, 1)->fd), 1;
}

/* Making. */

static struct address_object *check_address(lua_State *L, int datagram) {
    struct address_object *address = address_test(L, 1);
    luaL_argcheck(L, address, 1, "it must be an address");
    luaL_argcheck(L, scheme_is_datagram(address->scheme) == datagram, 1,
                  datagram ? "only udp:// addresses are bound" : "udp:// is bound, not listened on");
    return address;
}

/* descriptor.listen(address, options) -> descriptor, or nil, message, code: bound and listening, accepts nothing */
static int descriptor_listen(lua_State *L) {
    static const char *const names[] = {"backlog",   "receive_buffer", "send_buffer", "keepalive", "nodelay",
                                        "reuseport", "v6only",         "keep_path",   NULL};
    struct address_object *address = check_address(L, 0);
    struct socket_options options;
    support_check_options(L, 2, names);
    socket_options_check(L, 2, &options);
    int keeps = support_option_boolean(L, 2, "keep_path", 0);
    struct descriptor_object *descriptor = descriptor_new(L);
    descriptor->scheme = address->scheme;
    descriptor->unlinks = !keeps;
    descriptor->fd = socket_listen(&address->endpoint, &options);
    if (descriptor->fd < 0) return support_fail_errno(L, errno, "listen on", luaL_tolstring(L, 1, NULL));
    return 1;
}

/* descriptor.bind(address, options) -> descriptor, or nil, message, code: a UDP socket */
static int descriptor_bind(lua_State *L) {
    static const char *const names[] = {"receive_buffer", "send_buffer", "reuseport", "v6only", "broadcast", NULL};
    struct address_object *address = check_address(L, 1);
    struct socket_options options;
    support_check_options(L, 2, names);
    socket_options_check(L, 2, &options);
    struct descriptor_object *descriptor = descriptor_new(L);
    descriptor->scheme = SCHEME_UDP;
    descriptor->fd = socket_datagram(&address->endpoint, NULL, AF_UNSPEC, &options);
    if (descriptor->fd < 0) return support_fail_errno(L, errno, "bind", luaL_tolstring(L, 1, NULL));
    return 1;
}

/* A terminal or a file that is shared with others is left as it is. */
static int is_polled(enum descriptor_kind kind) {
    return kind != DESCRIPTOR_FILE && kind != DESCRIPTOR_OTHER;
}

/* descriptor.inherited(number) -> descriptor, or nil, message, code: takes one that whoever started us has left open */
static int descriptor_inherited(lua_State *L) {
    lua_Integer number = luaL_checkinteger(L, 1);
    luaL_argcheck(L, number >= 0 && number <= INT_MAX, 1, "a descriptor is a number from 0");
    struct descriptor_object *descriptor = descriptor_new(L);
    int fd = (int)number;
    if (descriptor_set_inherited(fd, 0) < 0)
        return support_fail_errno(L, errno, "inherit descriptor", lua_tostring(L, 1));
    if (is_polled(descriptor_kind(fd))) descriptor_set_blocking(fd, 0);
    descriptor->scheme = scheme_of(fd);
    descriptor->fd = fd;
    return 1;
}

/* The class. */

static int descriptor_object_close(lua_State *L) {
    descriptor_close(descriptor_check(L, 1));
    return 0;
}

static void push_address(lua_State *L, const struct descriptor_object *descriptor) {
    struct endpoint local;
    if (descriptor->fd >= 0 && socket_local(descriptor->fd, &local) == 0) address_push(L, descriptor->scheme, &local);
    else lua_pushnil(L);
}

static int descriptor_index(lua_State *L) {
    struct descriptor_object *descriptor = descriptor_check(L, 1);
    if (support_index_method(L)) return 1;
    const char *name = luaL_checkstring(L, 2);
    int open = descriptor->fd >= 0;
    if (strcmp(name, "is_open") == 0) lua_pushboolean(L, open);
    else if (!open) lua_pushnil(L);
    else if (strcmp(name, "kind") == 0) lua_pushstring(L, descriptor_kind_name(descriptor_kind(descriptor->fd)));
    else if (strcmp(name, "address") == 0) push_address(L, descriptor);
    else if (strcmp(name, "scheme") == 0) lua_pushstring(L, scheme_name(descriptor->scheme));
    else if (strcmp(name, "number") == 0) lua_pushinteger(L, descriptor->fd);
    else lua_pushnil(L);
    return 1;
}

static int descriptor_tostring(lua_State *L) {
    struct descriptor_object *descriptor = descriptor_check(L, 1);
    if (descriptor->fd < 0) return lua_pushliteral(L, "descriptor (closed)"), 1;
    push_address(L, descriptor);
    if (lua_isnil(L, -1)) lua_pushstring(L, descriptor_kind_name(descriptor_kind(descriptor->fd)));
    lua_pushfstring(L, "descriptor %d: %s", descriptor->fd, luaL_tolstring(L, -1, NULL));
    return 1;
}

int luaopen_core_descriptor(lua_State *L) {
    static const luaL_Reg functions[] = {{"listen", descriptor_listen},
                                         {"bind", descriptor_bind},
                                         {"inherited", descriptor_inherited},
                                         {"of", descriptor_of_connection},
                                         {NULL, NULL}};
    static const luaL_Reg methods[] = {{"connection", descriptor_connection},
                                       {"datagram", descriptor_datagram},
                                       {"close", descriptor_object_close},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__index", descriptor_index},
                                           {"__tostring", descriptor_tostring},
                                           {"__close", descriptor_object_close},
                                           {"__gc", descriptor_object_close},
                                           {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
