/* The life of a client: reading heads, handing requests out, its time limits and its end. */
#include "http/http_connection.h"
#include "system/socket.h"

#include <math.h>
#include <stdlib.h>

enum {
    LINE_LIMIT = 8 * 1024,
    HEAD_LIMIT = 32 * 1024,
    FIELD_LIMIT = 100,
    BODY_LIMIT = 1024 * 1024,
    SKIP_MAX = 64 * 1024, /* bytes of a body that are read for nothing, so that the connection can stay */
    BURST = 64            /* requests that one client may have answered before the others have their turn */
};

static const float HEAD_SECONDS = 20, BODY_SECONDS = 30, IDLE_SECONDS = 75;
static const double PING_SECONDS = 15;

void http_server_init(struct http_server *server, struct loop *loop) {
    server->loop = loop;
    server->limits = (struct http_limits){.line = LINE_LIMIT, .head = HEAD_LIMIT, .fields = FIELD_LIMIT};
    server->body_limit = BODY_LIMIT;
    server->head_timeout = HEAD_SECONDS;
    server->body_timeout = BODY_SECONDS;
    server->idle_timeout = IDLE_SECONDS;
    server->second = -1;
}

void http_server_destroy(struct http_server *server) {
    text_destroy(&server->scratch);
}

void http_server_close(struct http_server *server) {
    server->closing = 1;
    for (struct http_connection *client = server->clients, *next; client; client = next) {
        next = client->next;
        int idle = client->phase == HTTP_READING && !client->running && !connection_pending(&client->io);
        if (idle || client->phase == HTTP_STREAMING) http_connection_end(client, connection_close);
    }
}

/* Time. */

static struct timers *http_timers(const struct http_connection *client) {
    return &client->server->loop->timers;
}

/* Out of memory, a client goes on without its time limit until the next one is set. */
static void http_set_deadline(struct http_connection *client, double seconds) {
    client->deadline = client->server->loop->now + seconds;
    if (client->deadline == INFINITY) return;
    if (timer_is_set(&client->timer) && timer_at(http_timers(client), &client->timer) <= client->deadline) return;
    timers_set(http_timers(client), &client->timer, client->deadline);
}

static void http_ping(struct http_connection *client) {
    static const char comment[] = "3\r\n:\n\n\r\n", plain[] = ":\n\n";
    if (client->io.output.length == 0)
        connection_write_copy(&client->io, client->chunked ? comment : plain,
                              client->chunked ? sizeof comment - 1 : sizeof plain - 1);
    http_set_deadline(client, PING_SECONDS);
}

/* A peer that has not taken its answers yet is only given up when it took nothing since the last look. */
static void http_idle_out(struct http_connection *client) {
    size_t queued = client->io.output.length;
    if (queued && (!client->stuck || queued < client->stuck)) {
        client->stuck = queued;
        http_set_deadline(client, (double)client->server->idle_timeout);
        return;
    }
    http_connection_end(client, queued ? connection_abort : connection_close);
}

static void http_go_on(struct http_connection *client);

static void http_on_timer(struct timer *timer) {
    static const struct http_problem slow = {408, "the head of the request took too long"};
    struct http_connection *client =
        (struct http_connection *)((char *)timer - offsetof(struct http_connection, timer));
    if (client->woken) {
        http_go_on(client);
        return;
    }
    if (client->deadline == INFINITY) return;
    if (client->deadline > client->server->loop->now) {
        timers_set(http_timers(client), timer, client->deadline); /* cannot fail: its place has just become free */
        return;
    }
    if (client->pings) http_ping(client);
    else if (client->phase == HTTP_READING && client->partial) http_connection_refuse(client, &slow);
    else if (client->phase == HTTP_READING) http_idle_out(client);
    else if (client->phase == HTTP_SKIPPING) http_connection_end(client, connection_close);
}

/* The end. */

static void http_free(struct http_connection *client) {
    if (!client->running) free(client);
}

static void http_unlink(struct http_connection *client) {
    *client->link = client->next;
    if (client->next) client->next->link = client->link;
    client->server->count--;
    timers_clear(http_timers(client), &client->timer);
    client->phase = HTTP_ENDED;
}

void http_connection_end(struct http_connection *client, void (*end)(struct connection *)) {
    if (client->phase == HTTP_ENDED) return;
    http_unlink(client);
    connection_forget(&client->io, &client->reader);
    connection_forget(&client->io, &client->writer);
    end(&client->io);
    client->server->ended(client);
    http_free(client);
}

void http_connection_hand_over(struct http_connection *client, struct connection *to) {
    http_unlink(client);
    connection_forget(&client->io, &client->reader);
    connection_move(to, &client->io);
    http_free(client);
}

/* Requests. */

static void http_await_head(struct http_connection *client) {
    if (connection_pending(&client->io) && !client->partial) {
        client->partial = 1;
        http_set_deadline(client, (double)client->server->head_timeout);
    }
    connection_await_input(&client->io, &client->reader);
}

static void http_take_request(struct http_connection *client, const struct http_head *head) {
    client->phase = HTTP_HANDLING;
    client->partial = client->lf_skipped = client->answered = client->chunked = client->broken = 0;
    client->scanned = head->size; /* to be dropped when the head has been copied */
    client->deadline = INFINITY;
    client->keep_alive = head->keep_alive;
    client->minor = head->minor & 1u;
    client->expects = head->expects_continue;
    client->long_body = head->chunked || (head->has_length && head->length > SKIP_MAX);
    client->received = 0;
    client->body_began = 0;
    client->body_limit = client->server->body_limit;
    http_body_init_request(&client->body, head);
}

static void http_dispatch(struct http_connection *client, size_t size) {
    struct http_head head;
    struct http_problem problem;
    const char *bytes = (const char *)buffer_data(client->io.input);
    if (http_head_parse_request(&head, bytes, size, &client->server->limits, &problem) < 0) {
        http_connection_refuse(client, &problem);
        return;
    }
    http_take_request(client, &head);
    client->head_only = http_span_equals(head.method, bytes, "HEAD", 4) != 0;
    client->server->requested(client, &head, bytes);
}

void http_connection_begin(struct http_connection *client) {
    connection_consume(&client->io, client->scanned);
    client->scanned = 0;
}

/* One empty line before a request is dropped, RFC 9112 2.2. */
static int http_skip_empty_line(struct http_connection *client) {
    size_t pending = connection_pending(&client->io);
    if (client->lf_skipped || client->scanned || !pending) return 0;
    const unsigned char *bytes = buffer_data(client->io.input);
    if (bytes[0] != '\r' || (pending > 1 && bytes[1] != '\n')) return 0;
    if (pending == 1) return 0;
    connection_consume(&client->io, 2);
    return client->lf_skipped = 1;
}

/* Looks for a request in what is pending. Returns whether it found something to do. */
static int http_find_request(struct http_connection *client) {
    struct http_problem problem;
    if (http_skip_empty_line(client)) return 1;
    size_t pending = connection_pending(&client->io), scanned = client->scanned;
    if (!pending || (pending == 1 && *buffer_data(client->io.input) == '\r' && !client->lf_skipped)) return 0;
    ptrdiff_t size = http_head_find((const char *)buffer_data(client->io.input), pending, &scanned,
                                    &client->server->limits, &problem);
    client->scanned = (uint32_t)scanned;
    if (size == 0) return 0;
    if (size > 0) http_dispatch(client, (size_t)size);
    else http_connection_refuse(client, &problem);
    return 1;
}

static int http_read_head(struct http_connection *client) {
    if (http_find_request(client)) return 1;
    switch (connection_fill(&client->io)) {
    case IO_DONE: return 1;
    case IO_WAIT: http_await_head(client); return 0;
    default: http_connection_end(client, connection_close); return 0;
    }
}

/* The rest of a body that nobody has asked for. */
static int http_skip_body(struct http_connection *client) {
    const char *bytes;
    size_t count;
    struct http_problem problem;
    switch (http_connection_read_body(client, &bytes, &count, &problem)) {
    case HTTP_BODY_DATA:
        if (client->received <= SKIP_MAX) return 1;
        http_connection_end(client, connection_close);
        return 0;
    case HTTP_BODY_MORE: connection_await_input(&client->io, &client->reader); return 0;
    case HTTP_BODY_END: client->phase = HTTP_READING; return 1;
    default: http_connection_end(client, connection_close); return 0;
    }
}

/* A peer that sends requests but does not take the answers has to wait; so has one that sends very many at once. */
static int http_has_to_wait(struct http_connection *client, int burst) {
    size_t queued = client->io.output.length;
    if (queued <= client->io.high_water && burst < BURST) return 0;
    int is_full = queued > client->io.high_water;
    connection_await_output(&client->io, &client->writer, is_full ? client->io.high_water / 2 : UINT32_MAX);
    return 1;
}

static void http_run(struct http_connection *client) {
    int burst = 0, go_on = 1;
    if (client->running) return;
    client->running = 1;
    while (go_on && (client->phase == HTTP_READING || client->phase == HTTP_SKIPPING)) {
        if (http_has_to_wait(client, burst++)) break;
        go_on = client->phase == HTTP_READING ? http_read_head(client) : http_skip_body(client);
    }
    client->running = 0;
    if (client->phase == HTTP_ENDED) http_free(client);
}

/* A stream's peer has nothing to say any more: whatever comes, it is no request that could be answered. */
static void http_look_for_end(struct http_connection *client) {
    enum io_status status = client->io.open ? connection_fill(&client->io) : IO_BROKEN;
    if (status == IO_WAIT) connection_await_input(&client->io, &client->reader);
    if (status == IO_WAIT || status == IO_DONE) return;
    if (client->phase == HTTP_STREAMING) http_connection_end(client, connection_close);
    else client->server->gone(client);
}

/* Inside of another's call the connection must not be ended: its timer goes on with it before the loop sleeps. */
static void http_defer(struct http_connection *client) {
    client->woken = 1;
    timers_set(http_timers(client), &client->timer, client->server->loop->now); /* it was set before: cannot fail */
    loop_disturb(client->server->loop);
}

static void http_go_on(struct http_connection *client) {
    client->woken = 0;
    if (client->phase == HTTP_HANDLING || client->phase == HTTP_STREAMING) http_look_for_end(client);
    else if (client->io.stream.error || !client->io.open) http_connection_end(client, connection_close);
    else http_run(client);
}

static void http_wake(struct http_connection *client, enum wake when) {
    if (when == WAKE_NOW) http_go_on(client);
    else http_defer(client);
}

static void http_on_input(struct waiter *waiter, enum wake when) {
    http_wake((struct http_connection *)((char *)waiter - offsetof(struct http_connection, reader)), when);
}

static void http_on_output(struct waiter *waiter, enum wake when) {
    http_wake((struct http_connection *)((char *)waiter - offsetof(struct http_connection, writer)), when);
}

struct http_connection *http_connection_new(struct http_server *server, int fd, const struct endpoint *peer) {
    struct http_connection *client = calloc(1, sizeof *client);
    struct stream stream;
    if (!client) return NULL;
    stream_init_plain(&stream, fd);
    connection_init(&client->io, server->loop, stream);
    client->server = server;
    endpoint_pack(peer, &client->peer);
    client->reader.wake = http_on_input;
    client->writer.wake = http_on_output;
    client->timer.fire = http_on_timer;
    client->link = &server->clients;
    client->next = server->clients;
    if (client->next) client->next->link = &client->next;
    server->clients = client;
    server->count++;
    http_set_deadline(client, (double)server->head_timeout);
    http_await_head(client);
    return client;
}

/* After the answer. */

static void http_begin_next(struct http_connection *client) {
    client->stuck = 0;
    client->phase = http_body_is_complete(&client->body) ? HTTP_READING : HTTP_SKIPPING;
    client->received = 0;
    const struct http_server *server = client->server;
    http_set_deadline(client, (double)(client->phase == HTTP_READING ? server->idle_timeout : server->body_timeout));
}

void http_connection_finish(struct http_connection *client) {
    if (client->phase == HTTP_ENDED) return;
    connection_forget(&client->io, &client->reader);
    client->exchange = NULL;
    client->pings = 0;
    if (client->broken || !client->answered || !client->io.open || client->io.stream.error) {
        http_connection_end(client, connection_abort);
        return;
    }
    connection_consume(&client->io, client->handed);
    client->handed = 0;
    if (!client->keep_alive || client->server->closing) {
        http_connection_end(client, connection_close);
        return;
    }
    http_begin_next(client);
    http_run(client);
}

void http_connection_watch(struct http_connection *client, int pings) {
    connection_await_input(&client->io, &client->reader);
    client->pings = pings != 0;
    if (pings) http_set_deadline(client, PING_SECONDS);
}

void http_connection_stream(struct http_connection *client) {
    client->exchange = NULL;
    client->phase = HTTP_STREAMING;
    if (!client->io.reader) http_look_for_end(client);
}
