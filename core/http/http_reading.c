/* Reading requests: finding heads, refusing what is none, handing one out at a time, and skipping bodies. */
#include "http/http_private.h"

#include <math.h>
#include <stdlib.h>

enum {
    SKIP_MAX = 64 * 1024, /* bytes of a body that are read for nothing, so that the connection can stay */
    BURST = 64            /* requests that one client may have answered before the others have their turn */
};

void http_await_head(struct http_connection *client) {
    if (connection_pending(&client->io) && !client->partial) {
        client->partial = 1;
        http_set_deadline(client, (double)client->server->head_timeout);
    }
    connection_await_input(&client->io, &client->reader);
}

void http_await_next(struct http_connection *client) {
    client->phase = HTTP_READING;
    client->stuck = 0;
    http_set_deadline(client, (double)client->server->idle_timeout);
}

static void http_take_request(struct http_connection *client, const struct http_head *head) {
    client->phase = HTTP_HANDLING;
    client->server->loop->totals.requests++;
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
        break;
    case HTTP_BODY_MORE: connection_await_input(&client->io, &client->reader); return 0;
    case HTTP_BODY_END:
        if (client->server->closing) break;
        http_await_next(client);
        return 1;
    default: break;
    }
    http_connection_end(client, connection_close);
    return 0;
}

/* A peer that sends requests but does not take the answers has to wait; so has one that sends very many at once. */
static int http_has_to_wait(struct http_connection *client, int burst) {
    size_t queued = client->io.output.length;
    if (queued <= client->io.high_water && burst < BURST) return 0;
    int is_full = queued > client->io.high_water;
    connection_await_output(&client->io, &client->writer, is_full ? client->io.high_water / 2 : UINT32_MAX);
    return 1;
}

void http_run(struct http_connection *client) {
    int burst = 0, go_on = 1;
    if (client->running) return;
    client->running = 1;
    while (go_on && (client->phase == HTTP_READING || client->phase == HTTP_SKIPPING)) {
        if (http_has_to_wait(client, burst++)) break;
        go_on = client->phase == HTTP_READING ? http_read_head(client) : http_skip_body(client);
    }
    client->running = 0;
    if (client->phase == HTTP_ENDED) free(client);
}
