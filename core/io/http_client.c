#include "io/http_client_private.h"
#include "io/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Seconds. Servers close idle connections after 5 (Node.js) to 75 (nginx) of them. */
static const double idle_seconds = 15;

/* libcurl's own limit for connections goes down with the transfers that are left of many: each would close some. */
enum { SPARE_CONNECTIONS = 16 };

/* All connections go with the multi handle. */
static void close_all(struct http_client *client) {
    ev_timer_stop(client->ev, &client->timer);
    ev_timer_stop(client->ev, &client->idle);
    if (client->multi) client->curl.multi_cleanup(client->multi);
    client->multi = NULL;
    client->most_running = 0;
    client->closes_idle = 0;
    http_client_forget_sockets(client);
}

static void on_idle(struct ev_loop *ev, ev_timer *timer, int events) {
    (void)ev, (void)events;
    close_all(timer->data);
}

void http_client_close_idle(struct http_client *client) {
    if (client->running) client->closes_idle = 1;
    else close_all(client);
}

static void finish(struct http_client *client, const CURLMsg *message) {
    struct http_transfer *transfer = NULL;
    CURLcode result = message->data.result; /* the message is gone with the handle */
    client->curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
    if (transfer->fault == FAULT_STALE && http_transfer_restart(transfer) == 0) return;
    http_transfer_conclude(transfer, result);
    http_client_remove(client, transfer->easy);
    transfer->state = TRANSFER_DONE;
    transfer->done(transfer->context);
}

void http_client_act(struct http_client *client, curl_socket_t fd, int events) {
    int running, left;
    const CURLMsg *message;
    client->curl.multi_socket_action(client->multi, fd, events, &running);
    while (client->multi && (message = client->curl.multi_info_read(client->multi, &left)))
        if (message->msg == CURLMSG_DONE) finish(client, message);
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events) {
    (void)ev, (void)events;
    http_client_act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* CURLMOPT_TIMERFUNCTION(3). */
static int on_timeout(CURLM *multi, long milliseconds, void *context) {
    struct http_client *client = context;
    (void)multi;
    ev_timer_stop(client->ev, &client->timer);
    if (milliseconds < 0) return 0;
    ev_timer_set(&client->timer, (double)milliseconds / 1e3, 0.);
    ev_timer_start(client->ev, &client->timer);
    return 0;
}

static int make_multi(struct http_client *client) {
    client->multi = client->curl.multi_init();
    if (!client->multi) return -1;
    client->curl.multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    client->curl.multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    http_client_use_sockets(client);
    return 0;
}

static void count_up(struct http_client *client) {
    if (++client->running <= client->most_running) return;
    client->most_running = client->running;
    client->curl.multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, client->running + SPARE_CONNECTIONS);
}

int http_client_add(struct http_client *client, CURL *easy) {
    if (!client->multi && make_multi(client) < 0) return -1;
    if (client->curl.multi_add_handle(client->multi, easy) != CURLM_OK) {
        if (!client->running) close_all(client);
        return -1;
    }
    count_up(client);
    ev_timer_stop(client->ev, &client->idle);
    return 0;
}

void http_client_remove(struct http_client *client, CURL *easy) {
    client->curl.multi_remove_handle(client->multi, easy);
    if (--client->running) return;
    if (client->closes_idle) {
        close_all(client);
        return;
    }
    ev_timer_set(&client->idle, idle_seconds, 0.);
    ev_timer_start(client->ev, &client->idle);
}

struct http_client *http_client_new(struct loop *loop, char *failure, size_t size) {
    struct http_client *client = calloc(1, sizeof *client);
    if (!client) return snprintf(failure, size, "not enough memory"), NULL;
    if (curl_load(&client->curl, failure, size) < 0) {
        free(client);
        return NULL;
    }
    client->ev = loop->ev;
    ev_timer_init(&client->timer, on_timer, 0., 0.);
    ev_timer_init(&client->idle, on_idle, 0., 0.);
    client->timer.data = client->idle.data = client;
    return client;
}

void http_client_free(struct http_client *client) {
    close_all(client);
    client->curl.global_cleanup();
    free(client);
}
