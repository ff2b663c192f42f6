#include "load.h"
#include "bench.h"
#include "tls.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BUFFER = 262144, EVENTS = 256, MAX_CONNECTIONS = 20000, MAX_DEPTH = 1000, LONGEST = 3600000 };
static const double GRACE = 5.0;

struct load {
    const struct load_options *options;
    const struct load_protocol *protocol;
    int epoll;
    bool sending;
    uint64_t started, allowance, finished, errors;
    long open;
    SSL_CTX *tls;
    struct load_connection *all;
    char buffer[BUFFER];
};

bool load_option(struct load_options *options, int option, const char *value) {
    if (option == 'c') options->connections = bench_number("-c", value, 1, MAX_CONNECTIONS);
    else if (option == 'd') options->depth = bench_number("-d", value, 1, MAX_DEPTH);
    else if (option == 't') options->duration = bench_number("-t", value, 1, LONGEST);
    else if (option == 'n') options->messages = bench_number("-n", value, 1, 1L << 60);
    else if (option == 'T') options->tls = true;
    else return false;
    return true;
}

static void connection_end(struct load *load, struct load_connection *connection, bool failed) {
    if (connection->fd < 0) return;
    if (failed) load->errors++;
    if (connection->session && !failed) SSL_shutdown(connection->session);
    SSL_free(connection->session);
    close(connection->fd);
    connection->fd = -1;
    load->open--;
}

static bool connection_watch(struct load *load, struct load_connection *connection, bool wants_write) {
    if (connection->wants_write == wants_write) return true;
    connection->wants_write = wants_write;
    struct epoll_event event = {.events = wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = connection};
    return epoll_ctl(load->epoll, EPOLL_CTL_MOD, connection->fd, &event) == 0;
}

static bool may_begin(const struct load *load, const struct load_connection *connection) {
    uint64_t in_flight = connection->begun - connection->finished;
    return load->sending && load->started < load->allowance && in_flight < (uint64_t)load->options->depth;
}

static ssize_t connection_get(struct load_connection *connection, void *bytes, size_t room) {
    return connection->session ? tls_read(connection->session, bytes, room) : read(connection->fd, bytes, room);
}

static ssize_t connection_put(struct load_connection *connection, const void *bytes, size_t count) {
    return connection->session ? tls_write(connection->session, bytes, count) : write(connection->fd, bytes, count);
}

/* What is not sent belongs to messages in flight, so a buffer of `depth` messages holds it and all that may begin. */
static void connection_begin_messages(struct load *load, struct load_connection *connection) {
    connection->out_end -= connection->out_start;
    if (connection->out_start && connection->out_end)
        memmove(connection->out, connection->out + connection->out_start, connection->out_end);
    connection->out_start = 0;
    for (; may_begin(load, connection); connection->begun++, load->started++)
        connection->out_end += load->protocol->put(connection, connection->out + connection->out_end);
}

static bool connection_send(struct load *load, struct load_connection *connection) {
    connection_begin_messages(load, connection);
    while (connection->out_start < connection->out_end) {
        size_t left = connection->out_end - connection->out_start;
        ssize_t sent = connection_put(connection, connection->out + connection->out_start, left);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return errno == EAGAIN && connection_watch(load, connection, true);
        connection->out_start += (size_t)sent;
    }
    return connection_watch(load, connection, false);
}

static bool connection_receive(struct load *load, struct load_connection *connection) {
    ssize_t got = connection_get(connection, load->buffer, BUFFER);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    long ended = load->protocol->take(connection, load->buffer, (size_t)got);
    if (ended < 0 || (uint64_t)ended > connection->begun - connection->finished) return false;
    connection->finished += (uint64_t)ended;
    load->finished += (uint64_t)ended;
    return ended == 0 || connection_send(load, connection);
}

static bool connection_is_over(const struct load *load, const struct load_connection *connection) {
    return connection->begun == connection->finished && !may_begin(load, connection);
}

static void connection_serve(struct load *load, const struct epoll_event *event) {
    struct load_connection *connection = event->data.ptr;
    bool well = true;
    if (connection->fd < 0) return;
    if (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP)) well = connection_receive(load, connection);
    if (well && (event->events & EPOLLOUT)) well = connection_send(load, connection);
    if (!well || connection_is_over(load, connection)) connection_end(load, connection, !well);
}

static void connection_start_tls(SSL_CTX *tls, struct load_connection *connection) {
    connection->session = tls_client_new(tls, connection->fd);
    const char *complaint = SSL_do_handshake(connection->session) == 1 ? tls_complaint(connection->session) : "failed";
    if (!complaint) return;
    fprintf(stderr, "TLS handshake: %s\n", complaint);
    exit(1);
}

static void load_open(struct load *load, struct load_connection *connection) {
    const struct load_protocol *protocol = load->protocol;
    connection->out = malloc(protocol->message_size * (size_t)load->options->depth);
    connection->state = calloc(1, protocol->state_size);
    if (!connection->out || !connection->state) bench_fail(protocol->name);
    connection->fd = bench_connect(load->options->port);
    if (connection->fd < 0) bench_fail("connect");
    if (load->tls) connection_start_tls(load->tls, connection);
    if (protocol->open && !protocol->open(connection)) bench_fail("handshake");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (!bench_set_nonblocking(connection->fd)) bench_fail("fcntl");
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0) bench_fail("epoll_ctl");
    load->open++;
}

static void load_begin(struct load *load) {
    load->sending = true;
    for (long i = 0; i < load->options->connections; i++) {
        struct load_connection *connection = &load->all[i];
        bool well = connection_send(load, connection);
        if (!well || connection_is_over(load, connection)) connection_end(load, connection, !well);
    }
}

/* The time is over: nothing new begins, and a connection with nothing in flight ends at once. */
static void load_stop(struct load *load) {
    load->sending = false;
    for (long i = 0; i < load->options->connections; i++)
        if (connection_is_over(load, &load->all[i])) connection_end(load, &load->all[i], false);
}

static void load_poll(struct load *load) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(load->epoll, events, EVENTS, 100);
    if (count < 0 && errno != EINTR) bench_fail("epoll_wait");
    for (int i = 0; i < count; i++) connection_serve(load, &events[i]);
}

static double load_loop(struct load *load) {
    double start = bench_now();
    double end = start + (double)(load->options->messages ? LONGEST : load->options->duration) * 1e-3;
    load_begin(load);
    while (load->open > 0) {
        load_poll(load);
        double now = bench_now();
        if (load->sending && now >= end) load_stop(load);
        if (now >= end + GRACE) break;
    }
    double seconds = bench_now() - start;
    for (long i = 0; i < load->options->connections; i++) connection_end(load, &load->all[i], true);
    return seconds;
}

int load_run(const struct load_options *options, const struct load_protocol *protocol) {
    static struct load load;
    load.options = options;
    load.protocol = protocol;
    load.allowance = options->messages ? (uint64_t)options->messages : UINT64_MAX;
    signal(SIGPIPE, SIG_IGN);
    if (!bench_raise_files((unsigned long)options->connections + 64)) bench_fail("setrlimit");
    if (options->tls) load.tls = tls_client_context();
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.all = calloc((size_t)options->connections, sizeof *load.all);
    if (load.epoll < 0 || !load.all) bench_fail(protocol->name);
    for (long i = 0; i < options->connections; i++) load_open(&load, &load.all[i]);
    double seconds = load_loop(&load);
    printf("messages=%lu seconds=%.3f errors=%lu\n", (unsigned long)load.finished, seconds, (unsigned long)load.errors);
    return load.errors ? 1 : 0;
}
