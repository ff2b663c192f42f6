/* The yardstick for descriptors: a bare C server at a Unix socket, one thread, level-triggered epoll.
 *
 *   yardstick_descriptors send|receive PATH
 *
 * `send` passes /dev/null to whoever connects, as often as the kernel takes it. `receive` closes what it is passed, and
 * writes how many there were at the end. */
#include "bench.h"
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

struct connection {
    int fd;
    unsigned long received;
};

struct server {
    int epoll, listener, null;
    bool sends;
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
    if (watch(server, fd, server->sends ? EPOLLOUT : EPOLLIN, connection) < 0) connection_free(connection);
}

/* False: the peer is gone. */
static bool connection_send(struct server *server, struct connection *connection) {
    while (descriptors_send(connection->fd, server->null) == 1)
        ;
    return errno == EAGAIN || errno == EINTR;
}

static bool connection_receive(struct connection *connection) {
    int fd;
    ssize_t got;
    while ((got = descriptors_receive(connection->fd, &fd)) > 0) {
        close(fd);
        connection->received++;
    }
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    dprintf(connection->fd, "%lu\n", connection->received);
    return false;
}

static void serve(struct server *server, const struct epoll_event *event) {
    struct connection *connection = event->data.ptr;
    if (!connection) {
        connection_accept(server);
        return;
    }
    bool alive = server->sends ? connection_send(server, connection) : connection_receive(connection);
    if (!alive) connection_free(connection);
}

int main(int argc, char **argv) {
    static struct server server;
    if (argc != 3) bench_usage("yardstick_descriptors send|receive PATH");
    signal(SIGPIPE, SIG_IGN);
    server.sends = strcmp(argv[1], "send") == 0;
    server.null = open("/dev/null", O_RDWR | O_CLOEXEC);
    server.listener = descriptors_listen(argv[2]);
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server.epoll < 0 || watch(&server, server.listener, EPOLLIN, NULL) < 0) bench_fail("epoll");
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(server.epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) bench_fail("epoll_wait");
        for (int i = 0; i < count; i++) serve(&server, &events[i]);
    }
}
