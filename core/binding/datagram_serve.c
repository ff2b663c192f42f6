/* Serving datagrams: a handler in a task for every one, and a string that it returns is the reply. */
#include "binding/address.h"
#include "binding/datagram.h"
#include "binding/support.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

/* What a handler's task needs to send its reply. */
struct request {
    struct datagram_object *object;
    struct task *task;
    struct endpoint peer;
    int error; /* why the reply could not be sent: an errno value */
};

void datagram_let_go(struct datagram_object *object) {
    if (object->io.open || object->active || object->delivering || object->anchor == LUA_NOREF) return;
    lua_State *L = object->runtime->L;
    luaL_unref(L, LUA_REGISTRYINDEX, object->handler);
    luaL_unref(L, LUA_REGISTRYINDEX, object->anchor);
    object->handler = object->anchor = LUA_NOREF;
    scope_drop(object->scope);
    object->scope = NULL;
}

/* A handler cannot be told any more that its reply is not sent: it is reported like an error of its task. */
static int datagram_report_reply(lua_State *L) {
    struct request *request = lua_touserdata(L, 1);
    char text[ADDRESS_TEXT_MAX];
    endpoint_format(&request->peer, SCHEME_UDP, text, sizeof text);
    lua_pushfstring(L, "reply to %s: %s", text, strerror(request->error));
    lua_pushliteral(L, "");
    runtime_report(request->object->runtime, request->task);
    return 0;
}

/* What went wrong with an earlier reply is no reason to drop this one. */
static void datagram_reply(struct request *request) {
    struct datagram_object *object = request->object;
    lua_State *results = request->task->L;
    size_t length;
    if (!object->io.open || lua_type(results, 1) != LUA_TSTRING) return;
    const char *reply = lua_tolstring(results, 1, &length);
    object->io.error = 0;
    if (datagram_send(&object->io, reply, length, &request->peer) == 0) return;
    request->error = errno;
    runtime_call(object->runtime, datagram_report_reply, request);
}

static void datagram_end_drained(struct datagram_object *object) {
    if (object->draining && !object->active && !object->delivering) datagram_close(&object->io);
}

static void datagram_on_handler_ended(struct task *task, void *context) {
    struct request *request = context;
    struct datagram_object *object = request->object;
    if (task->outcome == TASK_RETURNED) datagram_reply(request);
    free(request);
    if (object->active-- == object->max_tasks && object->io.open && !object->draining)
        datagram_await_input(&object->io, &object->waiter);
    activity_tell(&object->activity);
    datagram_end_drained(object);
    datagram_let_go(object);
}

static int datagram_take_arrived(lua_State *L) {
    struct datagram_object *object = lua_touserdata(L, 1);
    lua_pushlstring(L, object->arrived, object->arrived_length);
    address_push(L, SCHEME_UDP, object->arrived_peer);
    struct task *task = task_new(L, object->scope);
    lua_rawgeti(L, LUA_REGISTRYINDEX, object->handler);
    lua_insert(L, -3);
    lua_rawgeti(L, LUA_REGISTRYINDEX, object->anchor);
    lua_xmove(L, task->L, 4);
    object->arrived_task = task;
    return 0;
}

static int datagram_on_each(void *context, const char *bytes, size_t length, const struct endpoint *peer) {
    struct datagram_object *object = context;
    struct request *request = malloc(sizeof *request);
    if (!request) return 1; /* lost, as datagrams can be */
    object->arrived = bytes;
    object->arrived_length = length;
    object->arrived_peer = peer;
    if (runtime_call(object->runtime, datagram_take_arrived, object) < 0) {
        free(request);
        return 1;
    }
    request->object = object;
    request->task = object->arrived_task;
    request->peer = *peer;
    object->active++;
    object->runtime->loop.totals.datagrams++;
    object->arrived_task->kind = TASK_DATAGRAM;
    object->arrived_task->ended = datagram_on_handler_ended;
    object->arrived_task->ended_context = request;
    task_start(object->arrived_task);
    return object->io.open;
}

/* More datagrams than there may be tasks stay in the kernel. */
static void datagram_on_input(struct waiter *waiter, enum wake when) {
    (void)when;
    struct datagram_object *object =
        (struct datagram_object *)((char *)waiter - offsetof(struct datagram_object, waiter));
    if (!object->io.open) return; /* it was the close that woke it */
    unsigned room = object->active < object->max_tasks ? object->max_tasks - object->active : 0;
    object->delivering = 1; /* keeps the object while its handlers run */
    if (room) datagram_receive_batch(&object->io, room, datagram_on_each, object);
    object->delivering = 0;
    datagram_end_drained(object);
    int more = object->io.open && object->active < object->max_tasks && !object->draining;
    if (more) datagram_await_input(&object->io, waiter);
    datagram_let_go(object);
}

/* socket:serve(handler): handler(message, from, socket) in a task for every datagram */
int datagram_serve(lua_State *L) {
    struct datagram_object *object = datagram_check(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    if (!object->io.open) return luaL_error(L, "the socket is closed");
    if (object->handler != LUA_NOREF) return luaL_error(L, "the socket is served already");
    if (object->io.reader) return luaL_error(L, "a task is receiving on this socket");
    lua_settop(L, 2);
    object->handler = luaL_ref(L, LUA_REGISTRYINDEX);
    object->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    object->scope = scope_hold(scope_root(object->runtime->current));
    object->waiter.wake = datagram_on_input;
    datagram_await_input(&object->io, &object->waiter);
    return 0;
}

/* socket:replace(handler, options, scope): datagrams that come from now on are for this handler, in this scope */
int datagram_replace(lua_State *L) {
    struct datagram_object *object = datagram_check(L);
    struct scope *before = object->scope, *scope = scope_check(L, 4);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    if (!object->io.open || object->handler == LUA_NOREF) return luaL_error(L, "the socket is not served");
    int had_room = object->active < object->max_tasks;
    unsigned max_tasks = datagram_check_max_tasks(L, 3);
    lua_pushvalue(L, 2);
    int handler = luaL_ref(L, LUA_REGISTRYINDEX);
    luaL_unref(L, LUA_REGISTRYINDEX, object->handler);
    object->handler = handler;
    object->scope = scope_hold(scope);
    object->max_tasks = max_tasks;
    scope_drop(before);
    if (!had_room && object->active < max_tasks) datagram_await_input(&object->io, &object->waiter);
    return 0;
}

/* socket:drain(): what has come is still answered, then it is closed; what comes now is for those who share the socket */
int datagram_drain(lua_State *L) {
    struct datagram_object *object = datagram_check(L);
    object->draining = 1;
    datagram_forget(&object->io, &object->waiter);
    datagram_end_drained(object);
    datagram_let_go(object);
    return 0;
}

/* socket:await(below, seconds) -> true, or nil, message, code: until fewer handlers are active */
int datagram_await(lua_State *L) {
    return activity_await(L, &datagram_check(L)->activity);
}
