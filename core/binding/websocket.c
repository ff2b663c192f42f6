/* core.websocket: the class. A socket is closed when its handler ends: with 1000, or 1011 when the handler has failed, or
 * 1001 when the server stops. */
#include "binding/websocket.h"
#include "binding/address.h"
#include "binding/connection.h"
#include "binding/modules.h"
#include "binding/retire.h"
#include "binding/runtime.h"
#include "binding/support.h"

#include <stdlib.h>
#include <string.h>

static const char CLASS[] = "perigee.websocket";

enum { CODE_NORMAL = 1000, CODE_GOING_AWAY = 1001, CODE_FAILED = 1011 };

struct websocket_object *websocket_check(lua_State *L) {
    return luaL_checkudata(L, 1, CLASS);
}

struct websocket_object *websocket_test(lua_State *L, int index) {
    return luaL_testudata(L, index, CLASS);
}

struct websocket_object *websocket_new(lua_State *L) {
    struct websocket_object *socket = support_new(L, CLASS, sizeof *socket, 0);
    socket->io.io.stream.fd = -1;
    return socket;
}

struct websocket_memory *websocket_memory_of(lua_State *L) {
    struct runtime *runtime = runtime_of(L);
    if (runtime->websockets) return runtime->websockets;
    runtime->websockets = malloc(sizeof *runtime->websockets);
    if (!runtime->websockets) luaL_error(L, "not enough memory");
    websocket_memory_init(runtime->websockets);
    return runtime->websockets;
}

void websocket_read_options(lua_State *L, int index, struct websocket_object *socket) {
    socket->io.limit = (uint32_t)support_option_integer(L, index, "limit", 1, INT32_MAX, WEBSOCKET_LIMIT);
    socket->io.io.timeout = (float)support_option_seconds(L, index, "ping", 30);
}

/* The end. */

/* Why it ended; 0: it has not. One that something else has cut off, a fan-out, has not been told. */
unsigned websocket_close_code_of(const struct websocket_object *socket) {
    if (socket->io.close_code || socket->io.io.open) return socket->io.close_code;
    return WEBSOCKET_ABNORMAL;
}

static void finish(struct websocket_object *socket, unsigned code, const char *reason, size_t length) {
    if (!websocket_close_code_of(socket)) socket->io.close_code = (uint16_t)code;
    websocket_send_close(&socket->io, code, reason, length);
    connection_close(&socket->io.io);
}

void websocket_on_handler_ended(struct task *task, void *context) {
    struct websocket_object *socket = context;
    socket->handler = NULL;
    finish(socket,
           task->cancelled || socket->io.io.retiring ? CODE_GOING_AWAY
           : task->outcome == TASK_FAILED            ? CODE_FAILED
                                                     : CODE_NORMAL,
           NULL, 0);
    listener_on_connection_ended(socket->listener);
}

static void on_lone_handler_ended(struct task *task, void *context) {
    (void)task;
    listener_on_connection_ended(context);
}

static int websocket_gc(lua_State *L) {
    struct websocket_object *socket = websocket_check(L);
    if (socket->handler) {
        socket->handler->ended = on_lone_handler_ended;
        socket->handler->ended_context = socket->listener;
    }
    finish(socket, CODE_NORMAL, NULL, 0);
    websocket_destroy(&socket->io);
    return 0;
}

/* socket:close(code, reason): the closing handshake goes on in the background */
static int websocket_close(lua_State *L) {
    struct websocket_object *socket = websocket_check(L);
    struct utf8 utf8 = {0};
    size_t length;
    lua_Integer code = luaL_optinteger(L, 2, CODE_NORMAL);
    const char *reason = luaL_optlstring(L, 3, "", &length);
    luaL_argcheck(L, code >= 0 && code <= 4999 && websocket_close_code_is_valid((unsigned)code), 2,
                  "no close code that may be sent (RFC 6455 7.4)");
    luaL_argcheck(L, length <= WEBSOCKET_CONTROL_MAX - 2, 3, "the reason has more than 123 bytes");
    luaL_argcheck(L, utf8_check(&utf8, reason, length) == 0 && utf8_is_complete(&utf8), 3, "the reason must be UTF-8");
    finish(socket, (unsigned)code, reason, length);
    return 0;
}

/* __close, whose second argument is an error's value or nil. */
static int websocket_leave(lua_State *L) {
    finish(websocket_check(L), CODE_NORMAL, NULL, 0);
    return 0;
}

/* Properties. */

static void push_code(lua_State *L, const struct websocket_object *socket) {
    if (websocket_close_code_of(socket)) lua_pushinteger(L, websocket_close_code_of(socket));
    else lua_pushnil(L);
}

static void push_peer(lua_State *L, const struct websocket_object *socket) {
    struct endpoint peer;
    if (endpoint_unpack(&socket->peer, &peer) == 0) address_push(L, SCHEME_HTTP, &peer);
    else lua_pushnil(L);
}

static int websocket_index(lua_State *L) {
    struct websocket_object *socket = websocket_check(L);
    if (support_index_method(L)) return 1;
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "is_open") == 0) lua_pushboolean(L, socket->io.io.open && !socket->io.close_sent);
    else if (strcmp(name, "peer") == 0) push_peer(L, socket);
    else if (strcmp(name, "close_code") == 0) push_code(L, socket);
    else if (strcmp(name, "is_quiet") == 0) lua_pushboolean(L, connection_is_quiet(&socket->io.io));
    else if (strcmp(name, "is_retiring") == 0) lua_pushboolean(L, socket->io.io.retiring);
    else if (strcmp(name, "queued") == 0) lua_pushinteger(L, (lua_Integer)socket->io.io.output.length);
    else lua_pushnil(L);
    return 1;
}

static int websocket_tostring(lua_State *L) {
    struct websocket_object *socket = websocket_check(L);
    push_peer(L, socket);
    lua_pushfstring(L, "websocket: %s%s", luaL_tolstring(L, -1, NULL), socket->io.io.open ? "" : " (closed)");
    return 1;
}

int luaopen_core_websocket(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"client", websocket_connect}, {"offer", websocket_offer}, {"check", websocket_check_options}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"close", websocket_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__index", websocket_index},
                                           {"__tostring", websocket_tostring},
                                           {"__close", websocket_leave},
                                           {"__gc", websocket_gc},
                                           {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_getmetatable(L, CLASS);
    lua_getfield(L, -1, "__index");
    lua_getupvalue(L, -1, 1);
    luaL_setfuncs(L, websocket_message_methods, 0);
    luaL_setfuncs(L, websocket_retire_methods, 0);
    luaL_newlib(L, functions);
    return 1;
}
