/* core.datagram: UDP sockets. A client receives and sends; a server runs a handler in a task for every datagram, and a
 * string that the handler returns is the reply. Lost datagrams are the protocol's nature and no error. */
#include "binding/datagram.h"
#include "binding/address.h"
#include "binding/buffer.h"
#include "binding/descriptor.h"
#include "binding/modules.h"
#include "binding/socket_options.h"
#include "binding/support.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char CLASS[] = "perigee.datagram";

enum { MAX_TASKS = 1024 }; /* handlers of one socket at once, by default; more datagrams wait in the kernel */

struct datagram_object *datagram_check(lua_State *L) {
    return luaL_checkudata(L, 1, CLASS);
}

static int datagram_fail(lua_State *L, const char *operation, int error) {
    struct datagram_object *object = datagram_check(L);
    struct endpoint local;
    char text[ADDRESS_TEXT_MAX] = "a closed socket";
    if (object->io.open && socket_local(object->io.io.fd, &local) == 0)
        endpoint_format(&local, SCHEME_UDP, text, sizeof text);
    return support_fail_errno(L, error, operation, text);
}

/* Receiving. */

static int datagram_interrupt(struct task *task, void *subject) {
    datagram_forget(subject, &task->waiter);
    return 1;
}

static int receive_step(lua_State *L, int resumed, lua_KContext context) {
    struct datagram_object *object = datagram_check(L);
    struct endpoint peer;
    const char *bytes;
    size_t length;
    (void)context;
    if (resumed == LUA_YIELD && task_woken(L)) return datagram_fail(L, "receive on", ETIMEDOUT);
    if (!object->io.open) return datagram_fail(L, "receive on", EBADF);
    enum io_status status = datagram_receive(&object->io, &bytes, &length, &peer);
    if (status == IO_BROKEN) return datagram_fail(L, "receive on", errno);
    if (status == IO_DONE) {
        lua_pushlstring(L, bytes, length);
        address_push(L, SCHEME_UDP, &peer);
        return 2;
    }
    struct task *task = task_begin_wait(L, "receive");
    if (object->io.reader) return luaL_error(L, "another task is receiving on this socket");
    datagram_await_input(&object->io, &task->waiter);
    return task_wait(L, task, task_runtime(task)->loop.now + (double)object->timeout, datagram_interrupt, &object->io,
                     0, receive_step);
}

/* socket:receive() -> message, from; or nil, message, code */
static int datagram_object_receive(lua_State *L) {
    datagram_check(L);
    lua_settop(L, 1);
    return receive_step(L, LUA_OK, 0);
}

/* Sending. */

static const void *check_message(lua_State *L, int argument, size_t *length) {
    const struct buffer_object *buffer = buffer_test(L, argument);
    if (!buffer) return luaL_checklstring(L, argument, length);
    *length = buffer_object_bytes(buffer);
    return buffer_object_data(buffer);
}

static const struct endpoint *check_target(lua_State *L, const struct datagram_object *object,
                                           struct endpoint *parsed) {
    struct address address;
    if (lua_isnoneornil(L, 3)) {
        luaL_argcheck(L, object->connected, 3, "the socket is not connected, so each datagram needs an address");
        return NULL;
    }
    struct address_object *target = address_test(L, 3);
    if (!target) address_check(L, 3, &address);
    luaL_argcheck(L, (target ? target->scheme : address.scheme) == SCHEME_UDP, 3,
                  "datagrams are sent to udp:// addresses");
    if (target) return &target->endpoint;
    luaL_argcheck(L, endpoint_from_address(parsed, &address) == 0, 3,
                  "the host is a name: look it up first with net.lookup");
    return parsed;
}

static int sent_step(lua_State *L, int resumed, lua_KContext context) {
    struct datagram_object *object = datagram_check(L);
    (void)context;
    if (resumed == LUA_YIELD && task_woken(L)) return datagram_fail(L, "send on", ETIMEDOUT);
    if (object->io.open && object->io.queued >= DATAGRAM_QUEUE_MAX) {
        struct task *task = task_begin_wait(L, "send");
        if (object->io.writer) return luaL_error(L, "another task is waiting to send on this socket");
        datagram_await_output(&object->io, &task->waiter);
        return task_wait(L, task, task_runtime(task)->loop.now + (double)object->timeout, datagram_interrupt,
                         &object->io, 0, sent_step);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* socket:send(message, to) -> true; or nil, message, code. `to` is an address, or absent on a connected socket. An
 * error that the network reported for an earlier datagram is told here, as send(2) does. */
static int datagram_object_send(lua_State *L) {
    struct datagram_object *object = datagram_check(L);
    struct endpoint parsed;
    size_t length;
    const void *message = check_message(L, 2, &length);
    const struct endpoint *target = check_target(L, object, &parsed);
    if (!object->io.open) return datagram_fail(L, "send on", EBADF);
    if (datagram_send(&object->io, message, length, target) < 0) return datagram_fail(L, "send on", errno);
    return sent_step(L, LUA_OK, 0);
}

/* Making and ending. */

static struct datagram_object *datagram_new(lua_State *L) {
    struct datagram_object *object = support_new(L, CLASS, sizeof *object, 0);
    object->runtime = runtime_of(L);
    object->handler = object->anchor = LUA_NOREF;
    object->timeout = INFINITY;
    object->max_tasks = MAX_TASKS;
    activity_init(&object->activity, &object->active);
    return object;
}

static unsigned is_connected(int fd) {
    struct endpoint peer;
    return socket_remote(fd, &peer) == 0;
}

void datagram_push(lua_State *L, int *fd) {
    struct datagram_object *object = datagram_new(L);
    object->connected = is_connected(*fd) & 1u;
    descriptor_set_blocking(*fd, 0);
    datagram_init(&object->io, &object->runtime->loop, *fd);
    *fd = -1;
}

/* A descriptor in the place of the address to bind is taken over. */
static int open_socket(lua_State *L, const struct endpoint *local, const struct endpoint *remote,
                       const struct socket_options *options) {
    struct descriptor_object *descriptor = descriptor_test(L, 1);
    if (!descriptor) return socket_datagram(local, remote, AF_INET, options);
    descriptor_set_blocking(descriptor->fd, 0);
    return descriptor_take(descriptor);
}

static const struct endpoint *check_endpoint(lua_State *L, int argument) {
    if (lua_isnoneornil(L, argument) || (argument == 1 && descriptor_test(L, 1))) return NULL;
    struct address_object *object = address_test(L, argument);
    luaL_argcheck(L, object, argument, "it must be an address");
    luaL_argcheck(L, object->scheme == SCHEME_UDP, argument, "only udp:// addresses make datagram sockets");
    return &object->endpoint;
}

unsigned datagram_check_max_tasks(lua_State *L, int table) {
    return (unsigned)support_option_integer(L, table, "max_tasks", 1, INT_MAX, MAX_TASKS);
}

static void datagram_check_options(lua_State *L, int table, struct socket_options *options) {
    static const char *const names[] = {"receive_buffer", "send_buffer", "reuseport", "v6only",
                                        "broadcast",      "timeout",     "max_tasks", NULL};
    support_check_options(L, table, names);
    socket_options_check(L, table, options);
}

/* datagram.check(options): raises for those that open would raise for */
static int datagram_check_given(lua_State *L) {
    struct socket_options options;
    lua_settop(L, 1);
    datagram_check_options(L, 1, &options);
    support_option_seconds(L, 1, "timeout", INFINITY);
    datagram_check_max_tasks(L, 1);
    return 0;
}

/* datagram.open(local, remote, options) -> socket, or nil, message, code. local: what to bind, a descriptor to take over,
 * or nil; remote: what to connect to, or nil. options: timeout (seconds), max_tasks, and those of sockets */
static int datagram_open(lua_State *L) {
    struct socket_options options;
    lua_settop(L, 3);
    const struct endpoint *local = check_endpoint(L, 1), *remote = check_endpoint(L, 2);
    datagram_check_options(L, 3, &options);
    int failed = descriptor_test(L, 1) ? descriptor_check_kind(L, 1, DESCRIPTOR_DATAGRAM, "open") : 0;
    if (failed) return failed;
    struct datagram_object *object = datagram_new(L);
    object->timeout = (float)support_option_seconds(L, 3, "timeout", INFINITY);
    object->max_tasks = datagram_check_max_tasks(L, 3);
    int fd = open_socket(L, local, remote, &options);
    if (fd < 0) return support_fail_errno(L, errno, "open", luaL_tolstring(L, local ? 1 : 2, NULL));
    object->connected = is_connected(fd) & 1u;
    datagram_init(&object->io, &object->runtime->loop, fd);
    return 1;
}

static int datagram_object_close(lua_State *L) {
    struct datagram_object *object = datagram_check(L);
    datagram_close(&object->io);
    datagram_let_go(object);
    return 0;
}

static int datagram_gc(lua_State *L) {
    struct datagram_object *object = datagram_check(L);
    if (object->io.loop) datagram_close(&object->io);
    if (object->scope) scope_drop(object->scope); /* the state is being closed with handlers alive */
    object->scope = NULL;
    return 0;
}

static int datagram_index(lua_State *L) {
    struct datagram_object *object = datagram_check(L);
    struct endpoint local;
    if (support_index_method(L)) return 1;
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "address") == 0 && object->io.open && socket_local(object->io.io.fd, &local) == 0)
        address_push(L, SCHEME_UDP, &local);
    else if (strcmp(name, "timeout") == 0) lua_pushnumber(L, (lua_Number)object->timeout);
    else if (strcmp(name, "active") == 0) lua_pushinteger(L, object->active);
    else if (strcmp(name, "is_open") == 0) lua_pushboolean(L, object->io.open);
    else lua_pushnil(L);
    return 1;
}

static int datagram_newindex(lua_State *L) {
    struct datagram_object *object = datagram_check(L);
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "timeout") != 0) return luaL_error(L, "a datagram socket has no field '%s' that can be set", name);
    object->timeout = (float)support_check_seconds(L, 3, INFINITY);
    return 0;
}

static int datagram_tostring(lua_State *L) {
    lua_getfield(L, 1, "address");
    lua_pushfstring(L, "datagram socket: %s", luaL_tolstring(L, -1, NULL));
    return 1;
}

int luaopen_core_datagram(lua_State *L) {
    static const luaL_Reg functions[] = {{"open", datagram_open}, {"check", datagram_check_given}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"serve", datagram_serve},
                                       {"replace", datagram_replace},
                                       {"receive", datagram_object_receive},
                                       {"send", datagram_object_send},
                                       {"drain", datagram_drain},
                                       {"await", datagram_await},
                                       {"close", datagram_object_close},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__index", datagram_index},
                                           {"__newindex", datagram_newindex},
                                           {"__tostring", datagram_tostring},
                                           {"__close", datagram_object_close},
                                           {"__gc", datagram_gc},
                                           {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
