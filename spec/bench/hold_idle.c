/* Opens many connections, has each served once so that it is really there, and keeps them all open and silent.
 *
 *   hold_idle [-r PATH | -w PATH] PORT COUNT
 *
 * Served means that a byte is echoed; with -r, that a GET of PATH is answered with 200; with -w, that a WebSocket at
 * PATH echoes a text. Prints "held=N errors=N seconds=S", then waits until its stdin closes.
 * Sources are 127.0.0.2 and up, PER_ADDRESS connections each, so that ports suffice. Few are under way at a
 * time, so that no listen backlog overflows. Gives up when nothing has moved for TIMEOUT milliseconds. */
#include "bench.h"
#include "response.h"
#include "websocket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PER_ADDRESS = 10000,
    UNDER_WAY = 128,
    TIMEOUT = 15000,
    MAX_COUNT = 1000000,
    READ_SIZE = 8192,
    PATH_MAX_BYTES = 500
};
static const char USAGE[] = "hold_idle [-r PATH | -w PATH] PORT COUNT";
static const char GET[] = "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n";

/* One that is under way. What the server says is gathered until it is an answer. */
struct client {
    int fd;
    const struct exchange *next; /* of those that are left */
    struct response response;
    struct websocket_frame frame;
};

/* Something to send, and how far its answer has come: 1 whole, 0 in part, -1 wrong. */
struct exchange {
    size_t size;
    int (*take)(struct client *client, const char *data, size_t size);
    char text[1024];
};

struct holder {
    uint16_t port;
    int epoll;
    long count, opened, held, errors;
    struct exchange exchanges[3]; /* the last has no size */
};

static int take_byte(struct client *client, const char *data, size_t size) {
    (void)client;
    return size == 1 && *data == 'x' ? 1 : -1;
}

static int take_response(struct client *client, const char *data, size_t size) {
    struct response *response = &client->response;
    if (response_read(response, data, size) < size || response->state == RESPONSE_BAD) return -1;
    if (response->state != RESPONSE_DONE) return 0;
    return response->status == (client->next[1].size ? 101 : 200) ? 1 : -1;
}

static int take_text(struct client *client, const char *data, size_t size) {
    const char *payload;
    size_t length;
    while (size > 0) {
        size_t taken = websocket_read(&client->frame, data, size, &payload, &length);
        if (taken == 0) return -1;
        data += taken;
        size -= taken;
    }
    return client->frame.held == 0;
}

static void holder_plan(struct holder *holder, int option, const char *path) {
    struct exchange *first = &holder->exchanges[0], *second = &holder->exchanges[1];
    *first = (struct exchange){.size = 1, .take = take_byte, .text = "x"};
    if (option == 0) return;
    first->take = take_response;
    first->size = websocket_request(first->text, sizeof first->text, path, holder->port);
    second->take = take_text;
    if (option == 'w') second->size = websocket_put(second->text, "Hello, world", 12, 0x5bd1e995u);
    else first->size = (size_t)snprintf(first->text, sizeof first->text, GET, path, holder->port);
}

static bool bind_source(int fd, long number) {
    int on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(BENCH_LOOPBACK + 1 + (uint32_t)(number / PER_ADDRESS));
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0) return false;
    return bind(fd, (struct sockaddr *)&from, sizeof from) == 0;
}

static bool begin_connect(const struct holder *holder, struct client *client) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(holder->port)};
    to.sin_addr.s_addr = htonl(BENCH_LOOPBACK);
    if (!bench_set_abortive(client->fd) || !bind_source(client->fd, holder->opened)) return false;
    if (connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) return false;
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
    return epoll_ctl(holder->epoll, EPOLL_CTL_ADD, client->fd, &event) == 0;
}

static void holder_fail(struct holder *holder, struct client *client, const char *what) {
    if (holder->errors++ == 0) perror(what);
    if (client->fd >= 0) close(client->fd);
    free(client);
}

static void holder_open(struct holder *holder) {
    while (holder->opened < holder->count && holder->opened - holder->held - holder->errors < UNDER_WAY) {
        struct client *client = calloc(1, sizeof *client);
        if (!client) bench_fail("hold_idle");
        client->next = holder->exchanges;
        client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (client->fd < 0 || !begin_connect(holder, client)) holder_fail(holder, client, "connect");
        holder->opened++;
    }
}

static bool client_send(const struct holder *holder, struct client *client) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (write(client->fd, client->next->text, client->next->size) != (ssize_t)client->next->size) return false;
    return epoll_ctl(holder->epoll, EPOLL_CTL_MOD, client->fd, &event) == 0;
}

/* All is answered: the connection is left alone. */
static bool holder_keep(struct holder *holder, struct client *client) {
    if (epoll_ctl(holder->epoll, EPOLL_CTL_DEL, client->fd, NULL) < 0) return false;
    holder->held++;
    free(client);
    return true;
}

static bool client_receive(struct holder *holder, struct client *client) {
    char data[READ_SIZE];
    ssize_t got = read(client->fd, data, sizeof data);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    int done = client->next->take(client, data, (size_t)got);
    if (done <= 0) return done == 0;
    client->next++;
    return client->next->size ? client_send(holder, client) : holder_keep(holder, client);
}

static bool holder_advance(struct holder *holder, const struct epoll_event *event) {
    errno = EPROTO; /* unless the kernel has another reason */
    if (event->events & EPOLLIN) return client_receive(holder, event->data.ptr);
    return !(event->events & (EPOLLERR | EPOLLHUP)) && client_send(holder, event->data.ptr);
}

static void holder_run(struct holder *holder) {
    struct epoll_event events[UNDER_WAY];
    for (holder_open(holder); holder->held + holder->errors < holder->count; holder_open(holder)) {
        int count = epoll_wait(holder->epoll, events, UNDER_WAY, TIMEOUT);
        if (count == 0) break;
        if (count < 0 && errno != EINTR) bench_fail("epoll_wait");
        for (int i = 0; i < count; i++)
            if (!holder_advance(holder, &events[i])) holder_fail(holder, events[i].data.ptr, "wrong or no answer");
    }
}

int main(int argc, char **argv) {
    struct holder holder = {0};
    int mode = 0, option;
    const char *path = NULL;
    for (; (option = getopt(argc, argv, "r:w:")) != -1; mode = option, path = optarg)
        if (option == '?' || strlen(optarg) > PATH_MAX_BYTES) bench_usage(USAGE);
    if (argc - optind != 2) bench_usage(USAGE);
    holder.port = (uint16_t)bench_number("PORT", argv[optind], 1, 65535);
    holder.count = bench_number("COUNT", argv[optind + 1], 1, MAX_COUNT);
    holder_plan(&holder, mode, path);
    signal(SIGPIPE, SIG_IGN);
    if (!bench_raise_files((unsigned long)holder.count + 64)) bench_fail("setrlimit");
    holder.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (holder.epoll < 0) bench_fail("epoll_create1");
    double start = bench_now();
    holder_run(&holder);
    printf("held=%ld errors=%ld seconds=%.3f\n", holder.held, holder.count - holder.held, bench_now() - start);
    fflush(stdout);
    bench_wait_for_end_of_input();
    return holder.held == holder.count ? 0 : 1;
}
