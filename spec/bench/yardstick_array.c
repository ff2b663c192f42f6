/* The yardstick for large arrays: a bare C server, one thread, level-triggered epoll.
 *
 *   yardstick_array COUNT PORT       0 lets the kernel choose; the port is printed when it listens
 *
 * Sends COUNT doubles, 0.0, 1.0, 2.0 ..., to each that connects, and closes. All that is left is offered to the kernel
 * at once, without a copy; what it does not take waits until it can be written again. */
#include "bench.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

struct connection {
    int fd;
    size_t sent;
};

struct server {
    int epoll, listener;
    const char *bytes;
    size_t size;
};

static int watch(struct server *server, int fd, uint32_t events, void *data) {
    struct epoll_event event = {.events = events, .data.ptr = data};
    return epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void connection_free(struct connection *connection) {
    close(connection->fd);
    free(connection);
}

static void connection_accept(struct server *server) {
    int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) bench_fail("calloc");
    connection->fd = fd;
    if (watch(server, fd, EPOLLOUT, connection) < 0) connection_free(connection);
}

/* False: all is sent, or the peer is gone. */
static bool connection_send(struct server *server, struct connection *connection) {
    while (connection->sent < server->size) {
        ssize_t sent = send(connection->fd, server->bytes + connection->sent, server->size - connection->sent, 0);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return errno == EAGAIN;
        connection->sent += (size_t)sent;
    }
    return false;
}

static void serve(struct server *server, const struct epoll_event *event) {
    struct connection *connection = event->data.ptr;
    if (!connection) connection_accept(server);
    else if (!connection_send(server, connection)) connection_free(connection);
}

static const char *array_new(size_t count) {
    double *array = malloc(count * sizeof *array);
    if (!array) bench_fail("malloc");
    for (size_t i = 0; i < count; i++) array[i] = (double)i;
    return (const char *)array;
}

int main(int argc, char **argv) {
    static struct server server;
    if (argc != 3) bench_usage("yardstick_array COUNT PORT");
    signal(SIGPIPE, SIG_IGN);
    size_t count = (size_t)bench_number("COUNT", argv[1], 1, 1L << 32);
    server.bytes = array_new(count);
    server.size = count * sizeof(double);
    server.listener = bench_listen((uint16_t)bench_number("PORT", argv[2], 0, 65535));
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server.epoll < 0 || watch(&server, server.listener, EPOLLIN, NULL) < 0) bench_fail("epoll");
    struct epoll_event events[EVENTS];
    for (;;) {
        int got = epoll_wait(server.epoll, events, EVENTS, -1);
        if (got < 0 && errno != EINTR) bench_fail("epoll_wait");
        for (int i = 0; i < got; i++) serve(&server, &events[i]);
    }
}
