/* address.lookup: from a URL to the addresses that it stands for. Literals and Unix paths need no wait; a name waits
 * for the resolver. */
#include "binding/address.h"
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "io/resolver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char CLASS[] = "perigee.lookup";

struct lookup_object {
    struct lookup *lookup; /* NULL: done or not begun */
    struct waiter *waiter;
    struct endpoint *endpoints;
    size_t count;
    enum scheme scheme;
    int done;
    char reason[128];
};

static const double DEFAULT_SECONDS = 10;

struct resolver *lookup_resolver(lua_State *L) {
    struct runtime *runtime = runtime_of(L);
    if (!runtime->resolver) runtime->resolver = resolver_new(runtime->loop.ev);
    if (!runtime->resolver) luaL_error(L, "not enough memory for the resolver");
    return runtime->resolver;
}

static void lookup_on_done(void *context, const struct endpoint *endpoints, size_t count, const char *reason) {
    struct lookup_object *object = context;
    object->lookup = NULL;
    object->done = 1;
    object->endpoints = count ? malloc(count * sizeof *endpoints) : NULL;
    if (object->endpoints) memcpy(object->endpoints, endpoints, count * sizeof *endpoints);
    object->count = object->endpoints ? count : 0;
    strncat(object->reason, reason ? reason : count ? "not enough memory" : "no address", sizeof object->reason - 1);
    waiter_wake(&object->waiter, WAKE_NOW);
}

static int lookup_interrupt(struct task *task, void *subject) {
    struct lookup_object *object = subject;
    (void)task;
    if (object->lookup) lookup_cancel(object->lookup);
    object->lookup = NULL;
    object->waiter = NULL;
    return 1;
}

static int push_addresses(lua_State *L, const struct lookup_object *object) {
    lua_createtable(L, (int)object->count, 0);
    for (size_t i = 0; i < object->count; i++) {
        address_push(L, object->scheme, &object->endpoints[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* The seconds become the time at which it gives up. */
enum { LOOKUP_URL = 1, LOOKUP_SECONDS, LOOKUP_OBJECT };

static int lookup_step(lua_State *L, int resumed, lua_KContext context) {
    struct lookup_object *object = luaL_checkudata(L, LOOKUP_OBJECT, CLASS);
    const char *url = luaL_tolstring(L, LOOKUP_URL, NULL);
    (void)context;
    if (resumed == LUA_YIELD && task_woken(L)) return support_fail(L, "timeout", "look up %s: timed out", url);
    if (object->count) return push_addresses(L, object);
    if (object->done) return support_fail(L, "unreachable", "look up %s: %s", url, object->reason);
    struct task *task = task_begin_wait(L, "lookup");
    object->waiter = &task->waiter;
    lua_pop(L, 1);
    return task_wait(L, task, lua_tonumber(L, LOOKUP_SECONDS), lookup_interrupt, object, 0, lookup_step);
}

/* address.lookup(url, seconds) -> a list of address objects, or nil, message, code */
static int lookup(lua_State *L) {
    struct address address;
    struct endpoint endpoint;
    address_check(L, LOOKUP_URL, &address);
    lua_settop(L, LOOKUP_SECONDS);
    lua_pushnumber(L, runtime_of(L)->loop.now + support_check_seconds(L, LOOKUP_SECONDS, DEFAULT_SECONDS));
    lua_replace(L, LOOKUP_SECONDS);
    if (endpoint_from_address(&endpoint, &address) == 0) {
        lua_createtable(L, 1, 0);
        address_push(L, address.scheme, &endpoint);
        lua_rawseti(L, -2, 1);
        return 1;
    }
    task_begin_wait(L, "lookup");
    struct lookup_object *object = support_new(L, CLASS, sizeof *object, 0);
    object->scheme = address.scheme;
    object->lookup = resolver_lookup(lookup_resolver(L), address.host, address.port, AF_UNSPEC, lookup_on_done, object);
    if (!object->lookup) return luaL_error(L, "not enough memory");
    return lookup_step(L, LUA_OK, 0);
}

/* address.name_servers("127.0.0.1:53,[::1]:53"): asks these instead of the system's */
static int name_servers(lua_State *L) {
    const char *servers = luaL_checkstring(L, 1);
    if (resolver_set_servers(lookup_resolver(L), servers) < 0)
        return luaL_error(L, "'%s' is no list of name servers like 127.0.0.1:53,[::1]:53", servers);
    return 0;
}

static int lookup_gc(lua_State *L) {
    struct lookup_object *object = luaL_checkudata(L, 1, CLASS);
    if (object->lookup) lookup_cancel(object->lookup);
    free(object->endpoints);
    object->lookup = NULL;
    object->endpoints = NULL;
    object->count = 0;
    return 0;
}

void lookup_open(lua_State *L) {
    static const luaL_Reg functions[] = {{"lookup", lookup}, {"name_servers", name_servers}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", lookup_gc}, {NULL, NULL}};
    support_class(L, CLASS, NULL, metamethods);
    luaL_setfuncs(L, functions, 0);
}
