/* core.tls: contexts for servers and clients, made of a table of options. */
#include "binding/tls.h"
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "io/certificate.h"
#include "io/tls_tickets.h"

#include <stdlib.h>
#include <string.h>

static const char CLASS[] = "perigee.tls.context";

/* User values of a context. */
enum { TLS_OPTIONS = 1, TLS_VALUES = TLS_OPTIONS };

struct tls_object *tls_check(lua_State *L, int argument) {
    return luaL_checkudata(L, argument, CLASS);
}

struct tls_object *tls_check_server(lua_State *L, int index, const char *what) {
    struct tls_object *object = luaL_testudata(L, index, CLASS);
    if (!object || !object->is_server) luaL_error(L, "%s must be a context of perigee.tls.server", what);
    return object;
}

struct tls_tickets *tls_tickets_of(lua_State *L) {
    struct runtime *runtime = runtime_of(L);
    if (runtime->tickets) return runtime->tickets;
    runtime->tickets = malloc(sizeof *runtime->tickets);
    if (!runtime->tickets) luaL_error(L, "not enough memory");
    if (tls_tickets_init(runtime->tickets) < 0) luaL_error(L, "no random numbers can be had");
    return runtime->tickets;
}

static int make(lua_State *L, struct tls_object *object) {
    struct tls_failure failure = {""};
    if (tls_object_make(L, object, &failure) < 0) return support_fail(L, "tls", "TLS: %s", failure.text);
    lua_settop(L, 2);
    return 1;
}

/* A copy of the options is kept: the script may change its table. */
static void keep_options(lua_State *L) {
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, 1);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_setiuservalue(L, 2, TLS_OPTIONS);
}

static int new_context(lua_State *L, int is_server) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct tls_object *object = support_new(L, CLASS, sizeof *object, TLS_VALUES);
    object->runtime = runtime_of(L);
    object->is_server = is_server;
    object->choose = LUA_NOREF;
    keep_options(L);
    return make(L, object);
}

/* tls.server(options) -> context, or nil, message, code */
static int tls_server(lua_State *L) {
    return new_context(L, 1);
}

/* tls.client(options) -> context, or nil, message, code */
static int tls_client(lua_State *L) {
    return new_context(L, 0);
}

/* context:reload() -> true, or nil, message, code: reads its files again, for the sessions to come. When it fails it
 * stays as it was. One that was collected can still be the key of a weak table: it stays as it is. */
static int context_reload(lua_State *L) {
    struct tls_object *object = tls_check(L, 1);
    if (!object->context) return support_fail(L, "closed", "TLS: the context was collected");
    lua_settop(L, 1);
    lua_getiuservalue(L, 1, TLS_OPTIONS);
    lua_insert(L, 1);
    if (make(L, object) != 1) return 3;
    lua_pushboolean(L, 1);
    return 1;
}

static int context_gc(lua_State *L) {
    struct tls_object *object = tls_check(L, 1);
    tls_object_forget(object);
    if (object->context) tls_context_drop(object->context);
    object->context = NULL;
    if (!object->runtime->closing) luaL_unref(L, LUA_REGISTRYINDEX, object->choose);
    object->choose = LUA_NOREF;
    return 0;
}

static int context_tostring(lua_State *L) {
    const struct tls_object *object = tls_check(L, 1);
    lua_pushfstring(L, "TLS context of a %s: %p", object->is_server ? "server" : "client", (const void *)object);
    return 1;
}

/* tls.ticket_secret(bytes?) -> bytes: the secret that the keys of all session tickets come from, for processes that are
 * to resume each other's sessions; with an argument it is set. */
static int ticket_secret(lua_State *L) {
    unsigned char bytes[TLS_TICKETS_SIZE];
    size_t length;
    const char *given = luaL_optlstring(L, 1, NULL, &length);
    struct tls_tickets *tickets = tls_tickets_of(L);
    if (given && (length != sizeof bytes || tls_tickets_import(tickets, (const unsigned char *)given) < 0))
        return luaL_argerror(L, 1, "it must be what tls.ticket_secret() returned, in the last year");
    tls_tickets_export(tickets, bytes);
    lua_pushlstring(L, (const char *)bytes, sizeof bytes);
    return 1;
}

/* Certificates for development. */

enum { NAMES_MAX = 64, DAYS_MAX = 3650 };

static int read_names(lua_State *L, const char **names) {
    luaL_checktype(L, 1, LUA_TTABLE);
    int count = (int)luaL_len(L, 1);
    luaL_argcheck(L, count >= 1 && count <= NAMES_MAX, 1, "it must be a list of 1 to 64 names");
    for (int i = 0; i < count; i++) {
        lua_geti(L, 1, i + 1);
        names[i] = luaL_checkstring(L, -1);
        luaL_argcheck(L, names[i][0] && !names[i][strcspn(names[i], ", \t\r\n;=")], 1, "it has a name that is none");
    }
    return count;
}

/* tls.self_signed(names, days) -> certificate, key (PEM), or nil, message, code */
static int self_signed(lua_State *L) {
    const char *names[NAMES_MAX];
    char certificate[CERTIFICATE_PEM_MAX], key[CERTIFICATE_PEM_MAX];
    struct tls_failure failure = {""};
    lua_Integer days = luaL_checkinteger(L, 2);
    luaL_argcheck(L, days >= 1 && days <= DAYS_MAX, 2, "it must be 1 to 3650 days");
    luaL_checkstack(L, NAMES_MAX, NULL);
    int count = read_names(L, names);
    if (certificate_self_signed(names, count, (int)days, certificate, key, &failure) < 0)
        return support_fail(L, "tls", "%s", failure.text);
    lua_pushstring(L, certificate);
    lua_pushstring(L, key);
    return 2;
}

int luaopen_core_tls(lua_State *L) {
    static const luaL_Reg functions[] = {{"server", tls_server},
                                         {"client", tls_client},
                                         {"ticket_secret", ticket_secret},
                                         {"self_signed", self_signed},
                                         {NULL, NULL}};
    static const luaL_Reg methods[] = {{"reload", context_reload}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__tostring", context_tostring}, {"__gc", context_gc}, {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
