/* Opens many connections, has one byte echoed on each so that it is really served, and keeps them all open
 * and silent.
 *
 *   hold_idle PORT COUNT         prints "held=N errors=N seconds=S", then waits until its stdin closes
 *
 * Sources are 127.0.0.2 and up, PER_ADDRESS connections each, so that ports suffice. Few are under way at a
 * time, so that no listen backlog overflows. Gives up when nothing has moved for TIMEOUT milliseconds. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PER_ADDRESS = 10000, UNDER_WAY = 128, TIMEOUT = 15000, MAX_COUNT = 1000000 };

struct holder {
    uint16_t port;
    int epoll;
    long count, opened, held, errors;
};

static bool bind_source(int fd, long number) {
    int on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(BENCH_LOOPBACK + 1 + (uint32_t)(number / PER_ADDRESS));
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0) return false;
    return bind(fd, (struct sockaddr *)&from, sizeof from) == 0;
}

static bool begin_connect(const struct holder *holder, int fd) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(holder->port)};
    to.sin_addr.s_addr = htonl(BENCH_LOOPBACK);
    if (!bench_set_abortive(fd) || !bind_source(fd, holder->opened)) return false;
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) return false;
    struct epoll_event event = {.events = EPOLLOUT, .data.fd = fd};
    return epoll_ctl(holder->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void holder_fail(struct holder *holder, int fd, const char *what) {
    if (holder->errors++ == 0) perror(what);
    if (fd >= 0) close(fd);
}

static void holder_open(struct holder *holder) {
    while (holder->opened < holder->count && holder->opened - holder->held - holder->errors < UNDER_WAY) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 || !begin_connect(holder, fd)) holder_fail(holder, fd, "connect");
        holder->opened++;
    }
}

/* Connected: send the byte. It came back: leave the connection alone. */
static bool holder_advance(struct holder *holder, const struct epoll_event *event) {
    int fd = event->data.fd;
    char byte = 'x';
    if (event->events & EPOLLIN) {
        if (read(fd, &byte, 1) != 1 || byte != 'x') return false;
        holder->held++;
        return epoll_ctl(holder->epoll, EPOLL_CTL_DEL, fd, NULL) == 0;
    }
    if (event->events & (EPOLLERR | EPOLLHUP) || write(fd, &byte, 1) != 1) return false;
    struct epoll_event next = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(holder->epoll, EPOLL_CTL_MOD, fd, &next) == 0;
}

static void holder_run(struct holder *holder) {
    struct epoll_event events[UNDER_WAY];
    for (holder_open(holder); holder->held + holder->errors < holder->count; holder_open(holder)) {
        int count = epoll_wait(holder->epoll, events, UNDER_WAY, TIMEOUT);
        if (count == 0) break;
        if (count < 0 && errno != EINTR) bench_fail("epoll_wait");
        for (int i = 0; i < count; i++)
            if (!holder_advance(holder, &events[i])) holder_fail(holder, events[i].data.fd, "echo");
    }
}

static void wait_for_end_of_input(void) {
    char byte;
    for (;;) {
        ssize_t got = read(STDIN_FILENO, &byte, 1);
        if (got == 0 || (got < 0 && errno != EINTR)) return;
    }
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: hold_idle PORT COUNT\n");
        return 2;
    }
    struct holder holder = {.port = (uint16_t)bench_number("PORT", argv[1], 1, 65535)};
    holder.count = bench_number("COUNT", argv[2], 1, MAX_COUNT);
    signal(SIGPIPE, SIG_IGN);
    if (!bench_raise_files((unsigned long)holder.count + 64)) bench_fail("setrlimit");
    holder.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (holder.epoll < 0) bench_fail("epoll_create1");
    double start = bench_now();
    holder_run(&holder);
    printf("held=%ld errors=%ld seconds=%.3f\n", holder.held, holder.count - holder.held, bench_now() - start);
    fflush(stdout);
    wait_for_end_of_input();
    return holder.held == holder.count ? 0 : 1;
}
