/* The time limits of a client: of a head, between two requests, of a stream. */
#include "http/http_private.h"

#include <math.h>

static struct timers *http_timers(const struct http_connection *client) {
    return &client->server->loop->timers;
}

/* Out of memory, a client goes on without its time limit until the next one is set. */
void http_set_deadline(struct http_connection *client, double seconds) {
    client->deadline = client->server->loop->now + seconds;
    if (client->deadline == INFINITY) return;
    if (timer_is_set(&client->timer) && timer_at(http_timers(client), &client->timer) <= client->deadline) return;
    timers_set(http_timers(client), &client->timer, client->deadline);
}

/* Has the peer taken nothing of what is queued since the last look? Remembers for the next. */
static int http_is_stuck(struct http_connection *client) {
    size_t before = client->stuck;
    client->stuck = client->io.output.length;
    return before && client->stuck >= before;
}

static void http_ping(struct http_connection *client) {
    static const char chunk[] = "3\r\n:\n\n\r\n", plain[] = ":\n\n";
    if (client->chunked) connection_write_copy(&client->io, chunk, sizeof chunk - 1);
    else connection_write_copy(&client->io, plain, sizeof plain - 1);
}

/* A silent stream says something, so that the death of its peer is noticed. */
static void http_look_at_stream(struct http_connection *client) {
    if (!client->io.output.length) http_ping(client);
    http_set_deadline(client, HTTP_PING_SECONDS);
}

/* A peer that has not taken its answers yet is only given up when it took nothing since the last look. */
static void http_idle_out(struct http_connection *client) {
    int queued = client->io.output.length > 0;
    if (queued && !http_is_stuck(client)) http_set_deadline(client, (double)client->server->idle_timeout);
    else http_connection_end(client, queued ? connection_abort : connection_close);
}

void http_on_timer(struct timer *timer) {
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
    if (client->pings) http_look_at_stream(client);
    else if (client->phase == HTTP_READING && client->partial) http_connection_refuse(client, &slow);
    else if (client->phase == HTTP_READING) http_idle_out(client);
    else if (client->phase == HTTP_SKIPPING) http_connection_end(client, connection_close);
}

void http_defer(struct http_connection *client) {
    client->woken = 1;
    timers_set(http_timers(client), &client->timer, client->server->loop->now); /* it was set before: cannot fail */
    loop_disturb(client->server->loop);
}
