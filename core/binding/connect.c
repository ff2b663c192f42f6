/* core.connection.connect: from a list of addresses to an open connection. */
#include "binding/address.h"
#include "binding/connection.h"
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/socket_options.h"
#include "binding/support.h"
#include "io/connector.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static const char CLASS[] = "perigee.attempt";

enum { ADDRESSES_MAX = 32 };

static const double DEFAULT_SECONDS = 30;

struct attempt {
    struct connector *connector; /* NULL: done or not begun */
    struct waiter *waiter;
    int done, fd, error;
    struct endpoint peer;
};

/* The seconds become the time at which it gives up. */
enum { CONNECT_ADDRESSES = 1, CONNECT_SECONDS, CONNECT_OPTIONS, CONNECT_CONNECTION, CONNECT_ATTEMPT };

static void attempt_on_done(void *context, int fd, const struct endpoint *peer, int error) {
    struct attempt *attempt = context;
    attempt->connector = NULL;
    attempt->done = 1;
    attempt->fd = fd;
    attempt->error = error;
    if (fd >= 0) attempt->peer = *peer;
    waiter_wake(&attempt->waiter, WAKE_NOW);
}

static int attempt_interrupt(struct task *task, void *subject) {
    struct attempt *attempt = subject;
    (void)task;
    if (attempt->connector) connector_cancel(attempt->connector);
    attempt->connector = NULL;
    attempt->waiter = NULL;
    return 1;
}

/* The addresses that were tried, for messages: the first one, and how many more. */
static const char *push_subject(lua_State *L) {
    int more = (int)luaL_len(L, CONNECT_ADDRESSES) - 1;
    lua_geti(L, CONNECT_ADDRESSES, 1);
    luaL_tolstring(L, -1, NULL);
    if (more) lua_pushfstring(L, "%s (and %d more)", lua_tostring(L, -1), more);
    return lua_tostring(L, -1);
}

static int attempt_step(lua_State *L, int resumed, lua_KContext context) {
    struct attempt *attempt = luaL_checkudata(L, CONNECT_ATTEMPT, CLASS);
    (void)context;
    if (resumed == LUA_YIELD && task_woken(L)) {
        attempt_interrupt(NULL, attempt);
        return support_fail_errno(L, ETIMEDOUT, "connect to", push_subject(L));
    }
    if (!attempt->done) {
        struct task *task = task_begin_wait(L, "connect");
        attempt->waiter = &task->waiter;
        return task_wait(L, task, lua_tonumber(L, CONNECT_SECONDS), attempt_interrupt, attempt, 0, attempt_step);
    }
    if (attempt->fd < 0) return support_fail_errno(L, attempt->error, "connect to", push_subject(L));
    struct connection_object *connection = connection_check(L, CONNECT_CONNECTION);
    lua_geti(L, CONNECT_ADDRESSES, 1);
    connection_adopt(connection, runtime_of(L), attempt->fd, address_test(L, -1)->scheme, &attempt->peer);
    attempt->fd = -1;
    lua_pushvalue(L, CONNECT_CONNECTION);
    return 1;
}

static size_t check_addresses(lua_State *L, struct endpoint *endpoints) {
    luaL_checktype(L, CONNECT_ADDRESSES, LUA_TTABLE);
    size_t count = 0;
    while (count < ADDRESSES_MAX && lua_geti(L, CONNECT_ADDRESSES, (lua_Integer)count + 1) != LUA_TNIL) {
        struct address_object *address = address_test(L, -1);
        luaL_argcheck(L, address, CONNECT_ADDRESSES, "it must be a list of addresses");
        if (address->scheme != SCHEME_TCP && address->scheme != SCHEME_TLS && address->scheme != SCHEME_UNIX)
            luaL_error(L, "connect cannot use the scheme '%s': tcp://, tls:// and unix: can be connected to",
                       scheme_name(address->scheme));
        endpoints[count].length = address->endpoint.length;
        memcpy(&endpoints[count++].as, &address->endpoint.as, address->endpoint.length);
        lua_pop(L, 1);
    }
    luaL_argcheck(L, count, CONNECT_ADDRESSES, "the list of addresses is empty");
    lua_settop(L, CONNECT_OPTIONS);
    return count;
}

/* connection.connect(addresses, seconds, options) -> connection, or nil, message, code. All addresses are tried. */
int connection_connect(lua_State *L) {
    static const char *const names[] = {"timeout", "nodelay", "keepalive", "receive_buffer", "send_buffer", NULL};
    struct endpoint endpoints[ADDRESSES_MAX];
    struct socket_options options;
    lua_settop(L, CONNECT_OPTIONS);
    task_begin_wait(L, "connect");
    lua_pushnumber(L, runtime_of(L)->loop.now + support_check_seconds(L, CONNECT_SECONDS, DEFAULT_SECONDS));
    lua_replace(L, CONNECT_SECONDS);
    size_t count = check_addresses(L, endpoints);
    support_check_options(L, CONNECT_OPTIONS, names);
    socket_options_check(L, CONNECT_OPTIONS, &options);
    connection_new(L);
    struct attempt *attempt = support_new(L, CLASS, sizeof *attempt, 0);
    attempt->fd = -1;
    attempt->connector = connector_start(runtime_of(L)->loop.ev, endpoints, count, &options, attempt_on_done, attempt);
    if (!attempt->connector) return luaL_error(L, "not enough memory");
    return attempt_step(L, LUA_OK, 0);
}

static int attempt_gc(lua_State *L) {
    struct attempt *attempt = luaL_checkudata(L, 1, CLASS);
    attempt_interrupt(NULL, attempt);
    if (attempt->fd >= 0) close(attempt->fd);
    attempt->fd = -1;
    return 0;
}

void connect_open(lua_State *L) {
    static const luaL_Reg metamethods[] = {{"__gc", attempt_gc}, {NULL, NULL}};
    support_class(L, CLASS, NULL, metamethods);
}
