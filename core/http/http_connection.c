/* The life of a client, from its connection to its end. */
#include "http/http_private.h"
#include "system/socket.h"

#include <stdlib.h>

enum { LINE_LIMIT = 8 * 1024, HEAD_LIMIT = 32 * 1024, FIELD_LIMIT = 100, BODY_LIMIT = 1024 * 1024 }; /* defaults */

enum {
    STUCK_SECONDS = 60,   /* that the peer of a stream may take nothing of what is sent */
    AHEAD_MAX = 64 * 1024 /* bytes that it may send ahead, and is still watched */
};

static const float HEAD_SECONDS = 20, BODY_SECONDS = 30, IDLE_SECONDS = 75;

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

/* Others that wait here, for a body or to write, have outlived their handler: they look again. */
static void http_let_go(struct http_connection *client) {
    connection_forget(&client->io, &client->reader);
    connection_forget(&client->io, &client->writer);
    waiter_wake(&client->io.reader, WAKE_LATER);
    waiter_wake(&client->io.writer, WAKE_LATER);
}

void http_server_close(struct http_server *server) {
    server->closing = 1;
    for (struct http_connection *client = server->clients, *next; client; client = next) {
        next = client->next;
        int begun = client->running || client->partial || connection_pending(&client->io);
        int idle = client->phase == HTTP_READING && !begun;
        if (idle || client->phase == HTTP_STREAMING) http_connection_end(client, connection_close);
    }
}

void http_server_drain(struct http_server *server, double grace) {
    server->draining = 1;
    if ((double)server->idle_timeout > grace) server->idle_timeout = (float)grace;
    for (struct http_connection *client = server->clients, *next; client; client = next) {
        next = client->next;
        if (client->phase == HTTP_STREAMING) http_connection_end(client, connection_close);
        else if (client->phase == HTTP_READING && !client->partial) http_set_deadline(client, grace);
    }
}

/* The end. */

static void http_free(struct http_connection *client) {
    if (!client->running) free(client);
}

static void http_unlink(struct http_connection *client) {
    *client->link = client->next;
    if (client->next) client->next->link = client->link;
    client->server->count--;
    timers_clear(&client->server->loop->timers, &client->timer);
    client->phase = HTTP_ENDED;
}

void http_connection_end(struct http_connection *client, void (*end)(struct connection *)) {
    if (client->phase == HTTP_ENDED) return;
    http_unlink(client);
    http_let_go(client);
    end(&client->io);
    client->server->ended(client);
    http_free(client);
}

void http_connection_hand_over(struct http_connection *client, struct connection *to) {
    http_unlink(client);
    http_let_go(client);
    connection_move(to, &client->io);
    http_free(client);
}

/* While a function makes the answer, what comes may be the next request, and is kept; behind a fan-out's nothing
 * follows. */
static void http_keep_watching(struct http_connection *client) {
    size_t pending = connection_pending(&client->io);
    if (client->phase == HTTP_STREAMING) connection_consume(&client->io, pending);
    else if (pending > AHEAD_MAX) return;
    connection_await_input(&client->io, &client->reader);
}

/* Of a stream's peer only its end matters. One that has sent too much ahead is noticed by the next write. */
static void http_look_for_end(struct http_connection *client) {
    enum io_status status = client->io.open ? connection_fill(&client->io) : IO_BROKEN;
    if (status == IO_WAIT || status == IO_DONE) http_keep_watching(client);
    else if (client->phase == HTTP_STREAMING) http_connection_end(client, connection_close);
    else client->server->gone(client);
}

void http_go_on(struct http_connection *client) {
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

struct http_connection *http_connection_new(struct http_server *server, const struct stream *stream,
                                            const struct endpoint *peer) {
    struct http_connection *client = calloc(1, sizeof *client);
    if (!client) return NULL;
    connection_init(&client->io, server->loop, *stream);
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

void http_connection_look(struct http_connection *client) {
    if (connection_pending(&client->io)) http_defer(client);
}

/* After the answer. */

static void http_begin_next(struct http_connection *client) {
    client->received = 0;
    client->phase = HTTP_SKIPPING;
    http_set_deadline(client, (double)client->server->body_timeout);
    if (http_body_is_complete(&client->body)) http_await_next(client);
}

void http_connection_finish(struct http_connection *client) {
    if (client->phase == HTTP_ENDED) return;
    http_let_go(client);
    client->exchange = NULL;
    client->pings = 0;
    if (client->broken || !client->answered || !client->io.open || client->io.stream.error) {
        http_connection_end(client, client->chunked ? connection_close : connection_abort);
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
    http_let_go(client);
    connection_await_input(&client->io, &client->reader);
    socket_give_up_after(client->io.stream.fd, STUCK_SECONDS);
    client->pings = pings != 0;
    if (pings) http_set_deadline(client, HTTP_PING_SECONDS);
}

void http_connection_watch_again(struct http_connection *client) {
    int is_watched = client->phase != HTTP_HANDLING || !client->answered || client->io.reader;
    if (!is_watched && client->io.open) connection_await_input(&client->io, &client->reader);
}

void http_connection_stream(struct http_connection *client) {
    client->exchange = NULL;
    client->phase = HTTP_STREAMING;
    if (!client->io.reader) http_look_for_end(client);
}
