/* TLS of a connection: beginning it (conn:start_tls), and what was agreed on (conn.tls, request.tls). */
#include "binding/connection_wait.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "binding/tls.h"
#include "io/certificate.h"
#include "io/tls.h"

#include <string.h>

static const double HANDSHAKE_SECONDS = 10;

/* The seconds become the time at which it gives up. */
enum { START_CONNECTION = 1, START_CONTEXT, START_OPTIONS, START_UNTIL };

enum { NAME_SIZE = 2304 /* bytes of a name that is shown: URIs have up to 2048 */ };

/* A connection whose handshake has failed is of no use: `end` is how it ends. */
static int fail_start(lua_State *L, struct connection_object *connection, void (*end)(struct connection *),
                      const char *code, const char *why) {
    lua_settop(L, START_UNTIL);
    lua_getfield(L, START_CONNECTION, "peer");
    const char *peer = lua_isnil(L, -1) ? "the peer" : luaL_tolstring(L, -1, NULL);
    end(&connection->io);
    return support_fail(L, code, "TLS with %s: %s", peer, why);
}

/* The peer learns of it by an alert, which a reset could overtake. */
static int fail_handshake(lua_State *L, struct connection_object *connection, const struct tls_failure *failure) {
    if (connection->io.open) tls_cancel(&connection->io.stream);
    return fail_start(L, connection, connection_close, "tls", failure->text);
}

static int start_step(lua_State *L, int resumed, lua_KContext context);

static int go_on(lua_State *L, struct connection_object *connection) {
    struct tls_failure failure = {""};
    lua_Number until = lua_tonumber(L, START_UNTIL);
    connection->io.readable = 0;
    switch (tls_handshake(&connection->io.stream, &failure)) {
    case TLS_WANTS_READ: return connection_park_reader(L, connection, until, 1, start_step);
    case TLS_WANTS_WRITE: return connection_park_for_room(L, connection, until, 1, start_step);
    case TLS_FAILED: return fail_handshake(L, connection, &failure);
    default: break;
    }
    connection->io.readable = stream_is_pending(&connection->io.stream) != 0;
    connection->scheme = connection->scheme == SCHEME_UNIX ? SCHEME_UNIX : SCHEME_TLS;
    lua_settop(L, START_CONNECTION);
    return 1;
}

/* The context's side, and of a client whom it expects. */
static int begin(lua_State *L, struct connection_object *connection, const struct tls_object *context) {
    if (tls_start(&connection->io.stream, context->context) < 0) return luaL_error(L, "not enough memory");
    if (context->is_server) return go_on(L, connection);
    lua_getfield(L, START_OPTIONS, "server_name");
    const char *name = lua_tostring(L, -1);
    lua_getfield(L, START_OPTIONS, "peer");
    const char *peer = lua_isstring(L, -1) ? lua_tostring(L, -1) : name;
    if (name && tls_expect(&connection->io.stream, name, peer) < 0)
        return fail_start(L, connection, connection_abort, "tls", "the server's name cannot be a name");
    return go_on(L, connection);
}

/* What was written before goes in the clear; what has come before does not count as encrypted. */
static int start_step(lua_State *L, int resumed, lua_KContext begun) {
    struct connection_object *connection = connection_check(L, START_CONNECTION);
    if (begun && task_is_interrupted(task_of(L))) connection_abort(&connection->io);
    if (resumed == LUA_YIELD && task_woken(L))
        return fail_start(L, connection, connection_abort, "timeout", "timed out");
    int obstacle = connection_obstacle(connection);
    if (obstacle && !(begun && obstacle == FAILURE_HANDSHAKE))
        return connection_fail(L, connection, "start TLS with", obstacle);
    if (begun) return go_on(L, connection);
    if (connection->io.output.length) {
        if (connection_flush(&connection->io) != IO_DONE)
            return connection_park_writer(L, connection, 0, lua_tonumber(L, START_UNTIL), 0, start_step);
    }
    if (connection_pending(&connection->io))
        return fail_start(L, connection, connection_abort, "protocol", "bytes came in the clear before the handshake");
    return begin(L, connection, tls_check(L, START_CONTEXT));
}

static void check_options(lua_State *L, const struct tls_object *context) {
    static const char *const names[] = {"server_name", "timeout", "peer", NULL};
    if (lua_isnoneornil(L, START_OPTIONS)) {
        lua_settop(L, START_CONTEXT);
        lua_newtable(L);
    }
    support_check_options(L, START_OPTIONS, names);
    int type = lua_getfield(L, START_OPTIONS, "server_name");
    if (type != LUA_TNIL && type != LUA_TSTRING) luaL_error(L, "option 'server_name' must be a string");
    if (type == LUA_TNIL && !context->is_server && tls_context_verifies(context->context))
        luaL_error(L, "option 'server_name' is missing: whose certificate is it to be?");
    lua_settop(L, START_OPTIONS);
}

/* conn:start_tls(context, { server_name =, timeout = 10 }) -> conn, or nil, message, code: a handshake on an open
 * connection, as client or server like the context. */
static int connection_start_tls(lua_State *L) {
    struct connection_object *connection = connection_check(L, START_CONNECTION);
    const struct tls_object *context = tls_check(L, START_CONTEXT);
    check_options(L, context);
    task_begin_wait(L, "start TLS");
    if (connection->io.open && stream_is_tls(&connection->io.stream))
        return luaL_error(L, "the connection has TLS already");
    if (connection->io.reader) return luaL_error(L, "another task is reading from this connection");
    lua_Number seconds = support_option_seconds(L, START_OPTIONS, "timeout", HANDSHAKE_SECONDS);
    lua_pushnumber(L, runtime_of(L)->loop.now + seconds);
    return start_step(L, LUA_OK, 0);
}

/* What was agreed on. */

static void set_string(lua_State *L, const char *name, const char *value) {
    if (!value || !value[0]) return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void set_boolean(lua_State *L, const char *name, int value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static void set_names(lua_State *L, struct x509_st *certificate) {
    char text[NAME_SIZE];
    size_t length;
    lua_newtable(L);
    for (int i = 0; (length = certificate_name(certificate, i, text, sizeof text)); i++) {
        lua_pushlstring(L, text, length);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "names");
}

static void push_certificate(lua_State *L, struct x509_st *certificate) {
    struct certificate_facts facts;
    certificate_describe(certificate, &facts);
    lua_newtable(L);
    set_string(L, "subject", facts.subject);
    set_string(L, "issuer", facts.issuer);
    set_string(L, "common_name", facts.common_name);
    set_string(L, "serial", facts.serial);
    set_string(L, "fingerprint", facts.fingerprint);
    lua_pushinteger(L, facts.not_before);
    lua_setfield(L, -2, "not_before");
    lua_pushinteger(L, facts.not_after);
    lua_setfield(L, -2, "not_after");
    set_names(L, certificate);
}

void tls_push_session(lua_State *L, const struct connection *connection) {
    struct tls_facts facts;
    if (!connection->open || !stream_is_tls(&connection->stream)) {
        lua_pushnil(L);
        return;
    }
    tls_describe_session(&connection->stream, &facts);
    lua_newtable(L);
    set_string(L, "version", facts.version);
    set_string(L, "cipher", facts.cipher);
    set_string(L, "server_name", facts.server_name);
    set_boolean(L, "resumed", facts.resumed);
    set_boolean(L, "verified", facts.verified);
    set_boolean(L, "kernel", facts.ktls_sends);
    if (facts.protocol_length) {
        lua_pushlstring(L, (const char *)facts.protocol, facts.protocol_length);
        lua_setfield(L, -2, "protocol");
    }
    if (!facts.peer) return;
    push_certificate(L, facts.peer);
    lua_setfield(L, -2, "peer");
}

const luaL_Reg connection_tls_methods[] = {{"start_tls", connection_start_tls}, {NULL, NULL}};
