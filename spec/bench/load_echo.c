/* Load for an echo server: every connection keeps DEPTH messages in flight; every byte that returns is compared.
 *
 *   load_echo [-c CONNECTIONS] [-s SIZE] [-d DEPTH] [-t MILLISECONDS | -n MESSAGES] PORT
 *
 * Prints one line: messages=N bytes=N seconds=S errors=N. An error is a connection that ended early, returned a wrong
 * byte, or still owed bytes five seconds after the end. The stream repeats a random table of prime length, begun
 * elsewhere by each connection: a lost, repeated, reordered or misdirected message shows. */
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { PERIOD = 131071, SPAN = 262144, EVENTS = 256 };
enum { MAX_CONNECTIONS = 20000, MAX_DEPTH = 100000, LONGEST = 3600000 };
static const double GRACE = 5.0;

struct connection {
    int fd;
    bool wants_write;
    uint64_t base, sent, received; /* bytes; `base` is where in the table its stream begins */
};

struct load {
    long connections, size, depth, duration, messages; /* duration in milliseconds */
    uint16_t port;
    int epoll;
    bool sending;
    uint64_t started, allowance; /* messages begun, and how many may be */
    uint64_t received, errors;
    long open;
    struct connection *all;
    char table[PERIOD + SPAN];
    char buffer[SPAN];
};

static void load_options(struct load *load, int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, "c:s:d:t:n:")) != -1) {
        if (option == 'c') load->connections = bench_number("-c", optarg, 1, MAX_CONNECTIONS);
        if (option == 's') load->size = bench_number("-s", optarg, 1, 1 << 30);
        if (option == 'd') load->depth = bench_number("-d", optarg, 1, MAX_DEPTH);
        if (option == 't') load->duration = bench_number("-t", optarg, 1, LONGEST);
        if (option == 'n') load->messages = bench_number("-n", optarg, 1, 1L << 60);
        if (option == '?') exit(2);
    }
    load->port = (uint16_t)bench_number("PORT", optind < argc ? argv[optind] : "", 1, 65535);
    load->allowance = load->messages ? (uint64_t)load->messages : UINT64_MAX;
}

static void load_fill_table(struct load *load) {
    uint64_t state = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < PERIOD; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        load->table[i] = (char)(state >> 32);
    }
    for (size_t i = PERIOD; i < sizeof load->table; i++) load->table[i] = load->table[i - PERIOD];
}

static const char *load_expected(const struct load *load, const struct connection *connection, uint64_t position) {
    return load->table + (connection->base + position) % PERIOD;
}

static void connection_end(struct load *load, struct connection *connection, bool failed) {
    if (connection->fd < 0) return;
    if (failed) load->errors++;
    close(connection->fd);
    connection->fd = -1;
    load->open--;
}

static bool connection_watch(struct load *load, struct connection *connection, bool wants_write) {
    if (connection->wants_write == wants_write) return true;
    connection->wants_write = wants_write;
    struct epoll_event event = {.events = wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = connection};
    return epoll_ctl(load->epoll, EPOLL_CTL_MOD, connection->fd, &event) == 0;
}

/* How far the stream may go now: a message once begun is finished, a new one begins while the window has
 * room. */
static uint64_t connection_limit(struct load *load, struct connection *connection) {
    uint64_t size = (uint64_t)load->size;
    uint64_t begun = (connection->sent + size - 1) / size;
    uint64_t window = connection->received / size + (uint64_t)load->depth;
    uint64_t more = load->sending && window > begun ? window - begun : 0;
    if (more > load->allowance - load->started) more = load->allowance - load->started;
    return (begun + more) * size;
}

static void connection_count(struct load *load, uint64_t before, uint64_t after) {
    uint64_t size = (uint64_t)load->size;
    load->started += (after + size - 1) / size - (before + size - 1) / size;
}

static bool connection_send(struct load *load, struct connection *connection) {
    uint64_t limit = connection_limit(load, connection);
    while (connection->sent < limit) {
        uint64_t left = limit - connection->sent;
        size_t want = left < SPAN ? (size_t)left : SPAN;
        ssize_t put = write(connection->fd, load_expected(load, connection, connection->sent), want);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno == EAGAIN && connection_watch(load, connection, true);
        connection_count(load, connection->sent, connection->sent + (uint64_t)put);
        connection->sent += (uint64_t)put;
        if ((size_t)put < want) return connection_watch(load, connection, true);
    }
    return connection_watch(load, connection, false);
}

static bool connection_receive(struct load *load, struct connection *connection) {
    ssize_t got = read(connection->fd, load->buffer, SPAN);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    if (connection->received + (uint64_t)got > connection->sent) return false;
    if (memcmp(load->buffer, load_expected(load, connection, connection->received), (size_t)got) != 0) return false;
    uint64_t size = (uint64_t)load->size;
    load->received -= connection->received / size;
    connection->received += (uint64_t)got;
    load->received += connection->received / size;
    return connection_send(load, connection);
}

static bool load_is_over(struct load *load, const struct connection *connection) {
    bool more = load->sending && load->started < load->allowance;
    return !more && connection->received == connection->sent && connection->sent % (uint64_t)load->size == 0;
}

static void connection_serve(struct load *load, const struct epoll_event *event) {
    struct connection *connection = event->data.ptr;
    bool well = true;
    if (connection->fd < 0) return;
    if (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP)) well = connection_receive(load, connection);
    if (well && (event->events & EPOLLOUT)) well = connection_send(load, connection);
    if (!well || load_is_over(load, connection)) connection_end(load, connection, !well);
}

static void load_connect(struct load *load) {
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->all = calloc((size_t)load->connections, sizeof *load->all);
    if (load->epoll < 0 || !load->all) bench_fail("load_echo");
    for (long i = 0; i < load->connections; i++) {
        struct connection *connection = &load->all[i];
        connection->base = (uint64_t)i * 7919;
        connection->fd = bench_connect(load->port);
        if (connection->fd < 0 || !bench_set_nonblocking(connection->fd)) bench_fail("connect");
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0) bench_fail("epoll_ctl");
        load->open++;
    }
}

/* The time is over: nothing new begins, and a connection with nothing in flight ends at once. */
static void load_stop(struct load *load) {
    load->sending = false;
    for (long i = 0; i < load->connections; i++)
        if (load_is_over(load, &load->all[i])) connection_end(load, &load->all[i], false);
}

static void load_poll(struct load *load) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(load->epoll, events, EVENTS, 100);
    if (count < 0 && errno != EINTR) bench_fail("epoll_wait");
    for (int i = 0; i < count; i++) connection_serve(load, &events[i]);
}

static void load_begin(struct load *load) {
    load->sending = true;
    for (long i = 0; i < load->connections; i++) {
        struct connection *connection = &load->all[i];
        bool well = connection_send(load, connection);
        if (!well || load_is_over(load, connection)) connection_end(load, connection, !well);
    }
}

static double load_run(struct load *load) {
    double start = bench_now();
    double end = start + (double)load->duration * 1e-3;
    load_begin(load);
    while (load->open > 0) {
        load_poll(load);
        double now = bench_now();
        if (load->sending && now >= end) load_stop(load);
        if (now >= end + GRACE) break;
    }
    for (long i = 0; i < load->connections; i++) connection_end(load, &load->all[i], true);
    return bench_now() - start;
}

int main(int argc, char **argv) {
    static struct load load = {.connections = 64, .size = 64, .depth = 1, .duration = 2000};
    signal(SIGPIPE, SIG_IGN);
    load_options(&load, argc, argv);
    if (load.messages) load.duration = LONGEST;
    if (!bench_raise_files((unsigned long)load.connections + 64)) bench_fail("setrlimit");
    load_fill_table(&load);
    load_connect(&load);
    double seconds = load_run(&load);
    printf("messages=%lu bytes=%lu seconds=%.3f errors=%lu\n", (unsigned long)load.received,
           (unsigned long)load.received * (unsigned long)load.size, seconds, (unsigned long)load.errors);
    return load.errors ? 1 : 0;
}
