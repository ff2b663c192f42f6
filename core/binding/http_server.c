/* core.http.listen: each request runs the handler in a task of its own, on a pooled coroutine; what the handler returns
 * is the answer. An idle client has no task. */
#include "binding/address.h"
#include "binding/http_response.h"
#include "binding/interruption.h"
#include "binding/runtime.h"
#include "binding/support.h"

#include <math.h>

static struct http_server_object *server_of(const struct http_connection *client) {
    return (struct http_server_object *)client->server;
}

struct listener_object *http_listener_of(const struct http_connection *client) {
    return (struct listener_object *)client->server - 1;
}

/* Telling Lua: the failure of a handler, a client that spoke no HTTP, an answer for the access log. */

struct refusal {
    struct http_connection *client;
    const struct http_problem *problem;
};

static int tell_refused(lua_State *L) {
    struct refusal *refusal = lua_touserdata(L, 1);
    struct endpoint peer;
    if (!http_hooks_push(L, server_of(refusal->client)->hooks->on_refused)) return 0;
    if (endpoint_unpack(&refusal->client->peer, &peer) == 0) address_push(L, SCHEME_HTTP, &peer);
    else lua_pushnil(L);
    lua_pushinteger(L, refusal->problem->status);
    lua_pushstring(L, refusal->problem->what);
    lua_call(L, 3, 0);
    return 0;
}

static void on_refused(struct http_connection *client, const struct http_problem *problem) {
    struct refusal refusal = {client, problem};
    if (server_of(client)->hooks->on_refused == LUA_NOREF) return;
    runtime_call(http_listener_of(client)->runtime, tell_refused, &refusal);
}

/* Handling a request. Its base is a C function that outlives every error of the handler, so that the request and its
 * client part in an orderly way. */

/* The request at 1 is done with; its connection goes on when the task has ended. */
int http_request_part(lua_State *L, struct http_request *request) {
    struct http_connection *client = request->client;
    if (client) {
        int logs = http_hooks_push(L, request->hooks->on_finished);
        int status = client->answered ? client->status : 0;
        uint64_t sent = client->sent;
        http_request_detach(L, request);
        if (!logs) return 0;
        lua_pushvalue(L, HTTP_REQUEST);
        lua_pushinteger(L, status);
        lua_pushinteger(L, (lua_Integer)sent);
        lua_call(L, 3, 0);
    }
    return 0;
}

/* An answer that had begun cannot be replaced any more. */
static int process_failure_answer(lua_State *L, int resumed, lua_KContext begun) {
    (void)resumed;
    return begun ? 0 : http_respond(L);
}

/* process_failure(request, error, traceback): the hook says what to answer. */
static int process_failure(lua_State *L) {
    struct http_request *request = lua_touserdata(L, HTTP_REQUEST);
    int begun = request->client->answered;
    if (!http_hooks_push(L, request->hooks->on_failure)) return luaL_error(L, "no hook for failures");
    lua_insert(L, 2);
    lua_pushvalue(L, HTTP_REQUEST);
    lua_insert(L, 3);
    lua_pushboolean(L, begun);
    lua_callk(L, 4, 1, begun, process_failure_answer);
    return process_failure_answer(L, LUA_OK, begun);
}

enum { SERVE_HANDLER = 2 }; /* the message handler's place */

static int serve_failed(lua_State *L, int status, lua_KContext context);

/* An interruption goes on up; another error is told, and answered when that is still possible. */
static int serve_error(lua_State *L, struct http_request *request) {
    struct http_connection *client = request->client;
    if (client) client->broken = client->answered;
    if (!client || interruption_test(L, -1)) {
        http_request_detach(L, request);
        return lua_error(L);
    }
    interruption_push_traceback(L, L);
    lua_pushcfunction(L, process_failure);
    lua_insert(L, -3);
    lua_pushvalue(L, HTTP_REQUEST);
    lua_insert(L, -3);
    return serve_failed(L, lua_pcallk(L, 3, 0, SERVE_HANDLER, 0, serve_failed), 0);
}

/* After the failure was told; telling it may have failed too. */
static int serve_failed(lua_State *L, int status, lua_KContext context) {
    struct http_request *request = lua_touserdata(L, HTTP_REQUEST);
    (void)context;
    if (status == LUA_OK || status == LUA_YIELD) return http_request_part(L, request);
    if (request->client) request->client->broken = request->client->answered;
    http_request_detach(L, request);
    return lua_error(L);
}

static int serve_answered(lua_State *L, int status, lua_KContext context) {
    struct http_request *request = lua_touserdata(L, HTTP_REQUEST);
    (void)context;
    if (status != LUA_OK && status != LUA_YIELD) return serve_error(L, request);
    return http_request_part(L, request);
}

/* The handler has returned, or raised. Most answers need no protection, as nothing in them can raise or wait. */
static int serve_handled(lua_State *L, int status, lua_KContext context) {
    struct http_request *request = lua_touserdata(L, HTTP_REQUEST);
    (void)context;
    if (status != LUA_OK && status != LUA_YIELD) return serve_error(L, request);
    if (http_respond_simply(L, request)) return http_request_part(L, request);
    lua_pushcfunction(L, http_respond);
    lua_insert(L, -2);
    lua_pushvalue(L, HTTP_REQUEST);
    lua_insert(L, -2);
    return serve_answered(L, lua_pcallk(L, 2, 0, SERVE_HANDLER, 0, serve_answered), 0);
}

struct http_arrival {
    struct http_connection *client;
    const struct http_head *head;
    const char *bytes;
    struct task *task;
};

/* The base of a request's task: serve(arrival) */
static int serve(lua_State *L) {
    struct http_arrival *arrival = lua_touserdata(L, 1);
    struct http_connection *client = arrival->client;
    struct http_request *request = http_request_new(L, client, arrival->head, arrival->bytes);
    request->task = arrival->task;
    request->hooks = http_hooks_hold(server_of(client)->hooks);
    lua_replace(L, HTTP_REQUEST);
    http_connection_begin(client);
    lua_pushcfunction(L, interruption_message_handler);
    lua_rawgeti(L, LUA_REGISTRYINDEX, http_listener_of(client)->handler);
    lua_pushvalue(L, HTTP_REQUEST);
    return serve_handled(L, lua_pcallk(L, 1, 1, SERVE_HANDLER, 0, serve_handled), 0);
}

/* The task of a request has ended, however that came. */
static void on_task_ended(struct task *task, void *context) {
    static const struct http_problem failed = {500, "the request could not be answered"},
                                     stopped = {503, "the server is stopping"};
    struct http_connection *client = context;
    client->exchange = NULL;
    if (!client->answered && client->io.open) http_connection_refuse(client, task->cancelled ? &stopped : &failed);
    else http_connection_finish(client);
}

static int new_task(lua_State *L) {
    struct http_arrival *arrival = lua_touserdata(L, 1);
    arrival->task = task_new(L, http_listener_of(arrival->client)->scope);
    return 0;
}

static void on_requested(struct http_connection *client, const struct http_head *head, const char *bytes) {
    struct http_arrival arrival = {client, head, bytes, NULL};
    struct listener_object *listener = http_listener_of(client);
    if (listener->runtime->idle) arrival.task = task_new(listener->runtime->L, listener->scope); /* cannot raise */
    else runtime_call(listener->runtime, new_task, &arrival);
    struct task *task = arrival.task;
    if (!task) {
        static const struct http_problem memory = {503, "not enough memory"};
        http_connection_refuse(client, &memory);
        return;
    }
    task->kind = TASK_REQUEST;
    task->ended = on_task_ended;
    task->ended_context = client;
    lua_pushcfunction(task->L, serve);
    lua_pushlightuserdata(task->L, &arrival);
    task_start(task);
}

static void on_gone(struct http_connection *client) {
    struct http_request *request = client->exchange;
    if (request) task_cancel(request->task);
}

static void on_ended(struct http_connection *client) {
    struct listener_object *listener = http_listener_of(client);
    listener_on_connection_ended(listener);
}

/* The protocol. */

static int accept_client(struct listener_object *listener, const struct stream *stream, const struct endpoint *peer) {
    struct http_server_object *server = listener_server(listener);
    struct http_connection *client = http_connection_new(&server->io, stream, peer);
    if (!client) return -1;
    client->io.high_water = listener->high_water;
    if (!listener->adopted) return 0;
    connection_part(listener->adopted, &client->io);
    http_connection_look(client);
    return 0;
}

static void close_server(struct listener_object *listener) {
    struct http_server_object *server = listener_server(listener);
    http_server_close(&server->io);
}

static void drain_server(struct listener_object *listener, double grace) {
    struct http_server_object *server = listener_server(listener);
    http_server_drain(&server->io, grace);
}

static void free_server(struct listener_object *listener) {
    struct http_server_object *server = listener_server(listener);
    lua_State *L = listener->runtime->L;
    while (server->io.clients) http_connection_end(server->io.clients, connection_abort);
    http_server_destroy(&server->io);
    text_destroy(&server->fields);
    text_destroy(&server->body);
    text_destroy(&server->compressed);
    if (server->has_gzip) gzip_destroy(&server->compressor);
    http_hooks_free_all(listener->runtime->closing ? NULL : L, &server->all_hooks);
}

static void replace_server(lua_State *L, struct listener_object *listener, int options) {
    struct http_server_object *server = listener_server(listener), settings;
    http_server_init(&settings.io, NULL);
    http_options_read(L, options, &settings);
    struct http_hooks *before = server->hooks;
    server->hooks = http_hooks_new(L, options, &server->all_hooks);
    http_hooks_drop(L, before);
    server->gzip = settings.gzip;
    server->io.limits = settings.io.limits;
    server->io.body_limit = settings.io.body_limit;
    server->io.head_timeout = settings.io.head_timeout;
    server->io.body_timeout = settings.io.body_timeout;
    server->io.idle_timeout = settings.io.idle_timeout;
}

static const struct listener_protocol protocol = {.accepted = accept_client,
                                                  .closed = close_server,
                                                  .drained = drain_server,
                                                  .replaced = replace_server,
                                                  .freed = free_server};

static enum scheme check_address(lua_State *L) {
    enum scheme scheme = listener_check_address(L);
    if (scheme == SCHEME_UDP)
        luaL_error(L, "HTTP cannot be served on the scheme 'udp': http://, https:// and unix: can");
    return scheme;
}

/* http.listen(address, handler, options) -> listener, or nil, message, code */
int http_listen(lua_State *L) {
    enum scheme given = check_address(L);
    int is_tls = given == SCHEME_TLS || given == SCHEME_HTTPS;
    http_options_check(L, 3);
    struct listener_object *listener = listener_new(L, &protocol, sizeof(struct http_server_object));
    struct http_server_object *server = listener_server(listener);
    http_server_init(&server->io, &listener->runtime->loop);
    http_options_read(L, 3, server);
    server->io.requested = on_requested;
    server->io.refused = on_refused;
    server->io.gone = on_gone;
    server->io.ended = on_ended;
    server->hooks = http_hooks_new(L, 3, &server->all_hooks);
    return listener_listen(L, listener, is_tls ? SCHEME_HTTPS : SCHEME_HTTP);
}

/* http.probe(address, options, free) -> true, or nil, message, code: could it be listened on now? With free = false it
 * need not be: only the options are looked at. */
int http_probe(lua_State *L) {
    struct http_server_object server;
    check_address(L);
    lua_settop(L, 3);
    http_options_check(L, 2);
    http_server_init(&server.io, NULL);
    http_options_read(L, 2, &server);
    return listener_probe(L, 2);
}
