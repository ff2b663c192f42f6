/* The yardstick: a bare C echo server, one thread, level-triggered epoll, one read and one write per message.
 *
 *   yardstick_echo PORT          0 lets the kernel choose; the port is printed when it listens
 *
 * Nothing but the system calls that an echo must make. A connection with unwritten output is not read until
 * the kernel has taken it all. */
#include "bench.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 65536, EVENTS = 256 };

struct connection {
    int fd;
    char *rest; /* output that the kernel would not take yet, or NULL */
    size_t start, end;
};

struct server {
    int epoll, listener;
    char buffer[READ_SIZE];
};

static int watch(struct server *server, int operation, int fd, uint32_t events, void *data) {
    struct epoll_event event = {.events = events, .data.ptr = data};
    return epoll_ctl(server->epoll, operation, fd, &event);
}

static void connection_free(struct connection *connection) {
    close(connection->fd);
    free(connection->rest);
    free(connection);
}

static void connection_accept(struct server *server) {
    int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) bench_fail("calloc");
    connection->fd = fd;
    if (watch(server, EPOLL_CTL_ADD, fd, EPOLLIN, connection) < 0) connection_free(connection);
}

/* Keeps what is left and waits until it can be written; reading stops meanwhile. */
static bool connection_keep(struct server *server, struct connection *connection, const char *data, size_t size) {
    connection->rest = malloc(size);
    if (!connection->rest) return false;
    memcpy(connection->rest, data, size);
    connection->start = 0;
    connection->end = size;
    return watch(server, EPOLL_CTL_MOD, connection->fd, EPOLLOUT, connection) == 0;
}

static bool connection_read(struct server *server, struct connection *connection) {
    ssize_t got = read(connection->fd, server->buffer, READ_SIZE);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    ssize_t put = write(connection->fd, server->buffer, (size_t)got);
    if (put == got) return true;
    if (put < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (put < 0) put = 0;
    return connection_keep(server, connection, server->buffer + put, (size_t)(got - put));
}

static bool connection_write(struct server *server, struct connection *connection) {
    ssize_t put = write(connection->fd, connection->rest + connection->start, connection->end - connection->start);
    if (put < 0) return errno == EAGAIN || errno == EINTR;
    connection->start += (size_t)put;
    if (connection->start < connection->end) return true;
    free(connection->rest);
    connection->rest = NULL;
    return watch(server, EPOLL_CTL_MOD, connection->fd, EPOLLIN, connection) == 0;
}

static void serve(struct server *server, const struct epoll_event *event) {
    struct connection *connection = event->data.ptr;
    if (!connection) {
        connection_accept(server);
        return;
    }
    bool alive = connection->rest ? connection_write(server, connection) : connection_read(server, connection);
    if (!alive) connection_free(connection);
}

int main(int argc, char **argv) {
    static struct server server;
    signal(SIGPIPE, SIG_IGN);
    server.listener = bench_listen((uint16_t)bench_number("PORT", argc > 1 ? argv[1] : "0", 0, 65535));
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server.epoll < 0 || watch(&server, EPOLL_CTL_ADD, server.listener, EPOLLIN, NULL) < 0) bench_fail("epoll");
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(server.epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) bench_fail("epoll_wait");
        for (int i = 0; i < count; i++) serve(&server, &events[i]);
    }
}
