/* Answers that are made while they are sent: a function is called with write(...), which waits while the peer is slow.
 * When the peer has gone the task is cancelled. */
#include "binding/http_response.h"
#include "binding/interruption.h"
#include "binding/output.h"
#include "binding/runtime.h"
#include "binding/scope.h"
#include "binding/support.h"

#include <string.h>

static const double WRITE_SECONDS = 60; /* in which a slow peer has to take something */

static int is_within(const struct task *task, const struct task *elder) {
    while (task && task != elder) task = task->home->owner;
    return task != NULL;
}

/* Nobody listens any more: unwinds the task as a cancelled one, quietly. One that is not the handler's has more to
 * do. */
static int peer_is_gone(lua_State *L, struct http_request *request) {
    if (request->client) request->client->broken = 1;
    if (!is_within(task_of(L), request->task)) return luaL_error(L, "write: the client has gone");
    task_of(L)->cancelled = 1;
    return interruption_raise(L, INTERRUPTION_CANCELLED);
}

static struct http_connection *check_client(lua_State *L, struct http_request *request) {
    struct http_connection *client = request->client;
    if (!client) luaL_error(L, "write: the answer has ended");
    if (!client->io.open || client->io.stream.error) peer_is_gone(L, request);
    return client;
}

static int interrupt_write(struct task *task, void *subject) {
    connection_forget(subject, &task->waiter);
    return 1;
}

/* Waits until the output is small again; [top] is how many bytes were queued at the last look. */
static int drained(lua_State *L, int resumed, lua_KContext context) {
    struct http_request *request = lua_touserdata(L, lua_upvalueindex(1));
    int timed_out = resumed == LUA_YIELD && task_woken(L);
    struct http_connection *client = check_client(L, request);
    size_t queued = client->io.output.length, level = client->io.high_water / 2;
    (void)context;
    if (queued <= level) return 0;
    if (timed_out && queued >= (size_t)lua_tointeger(L, -1)) return peer_is_gone(L, request);
    lua_settop(L, 0);
    lua_pushinteger(L, (lua_Integer)queued);
    struct task *task = task_begin_wait(L, "write");
    if (client->io.writer) return luaL_error(L, "another task is writing to this answer");
    connection_await_output(&client->io, &task->waiter, (uint32_t)level);
    return task_wait(L, task, client->server->loop->now + WRITE_SECONDS, interrupt_write, &client->io, 0, drained);
}

static void begin_chunk(lua_State *L, struct http_connection *client, size_t length) {
    char line[HTTP_CHUNK_LINE_MAX];
    output_bytes(L, &client->io, line, http_chunk_write_size(line, length));
}

/* How many bytes the arguments are; raises for what cannot be sent. */
static size_t measure(lua_State *L, int count) {
    size_t total = 0, length;
    for (int i = 1; i <= count; i++) {
        const struct buffer_object *buffer = buffer_test(L, i);
        if (buffer) length = buffer_object_bytes(buffer);
        else luaL_checklstring(L, i, &length);
        total += length;
    }
    return total;
}

/* write(...): strings, numbers and buffers, in order */
static int stream_write(lua_State *L) {
    struct http_request *request = lua_touserdata(L, lua_upvalueindex(1));
    int count = lua_gettop(L);
    size_t total = measure(L, count);
    struct http_connection *client = check_client(L, request);
    if (!total) return 0;
    if (client->chunked) begin_chunk(L, client, total);
    for (int i = 1; i <= count; i++) {
        const struct buffer_object *buffer = buffer_test(L, i);
        if (buffer) output_buffer(L, &client->io, buffer);
        else output_string(L, &client->io, i);
        if (client->io.stream.error) return peer_is_gone(L, request);
    }
    if (client->chunked) output_bytes(L, &client->io, "\r\n", 2);
    client->sent += total;
    return client->io.output.length > client->io.high_water ? drained(L, LUA_OK, 0) : 0;
}

static int stream_ended(lua_State *L, int resumed, lua_KContext context) {
    static const char last[] = "0\r\n\r\n";
    struct http_request *request = lua_touserdata(L, HTTP_REQUEST);
    struct http_connection *client = check_client(L, request);
    (void)resumed, (void)context;
    if (client->chunked) output_bytes(L, &client->io, last, sizeof last - 1);
    return 0;
}

static int pings(lua_State *L) {
    if (!lua_istable(L, HTTP_RESPONSE)) return 0;
    lua_getfield(L, HTTP_RESPONSE, "pings");
    int wanted = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return wanted;
}

int http_send_stream(lua_State *L, struct http_request *request, struct http_response *response) {
    response->answer.framing = HTTP_FRAMING_STREAM;
    if (!response->has_type) http_response_add(L, response, "Content-Type", "text/plain; charset=utf-8");
    http_response_send(L, request, response);
    if (!http_connection_sends_body(request->client)) return 0;
    http_connection_watch(request->client, pings(L));
    lua_pushvalue(L, HTTP_REQUEST);
    lua_pushcclosure(L, stream_write, 1);
    lua_callk(L, 1, 0, 0, stream_ended);
    return stream_ended(L, LUA_OK, 0);
}
