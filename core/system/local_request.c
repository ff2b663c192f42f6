#include "system/local_request.h"
#include "system/address.h"
#include "system/socket.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct exchange {
    int fd;
    double deadline;
    char *bytes;
    size_t length, room;
};

static double clock_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* 0 when the descriptor is ready, or -1 with errno. */
static int exchange_wait(const struct exchange *exchange, short events) {
    struct pollfd watched = {.fd = exchange->fd, .events = events};
    for (;;) {
        double left = exchange->deadline - clock_now();
        if (left <= 0) return errno = ETIMEDOUT, -1;
        int ready = poll(&watched, 1, (int)ceil(fmin(left, 3600) * 1000));
        if (ready > 0) return 0;
        if (ready < 0 && errno != EINTR) return -1;
    }
}

/* After a call has failed: 0 when it is to be tried again. */
static int exchange_retry(const struct exchange *exchange, short events) {
    if (errno == EINTR) return 0;
    return errno == EAGAIN ? exchange_wait(exchange, events) : -1;
}

static int exchange_write(const struct exchange *exchange, const char *text, size_t length) {
    while (length) {
        ssize_t sent = send(exchange->fd, text, length, MSG_NOSIGNAL);
        if (sent < 0 && exchange_retry(exchange, POLLOUT) < 0) return -1;
        if (sent > 0) text += sent, length -= (size_t)sent;
    }
    return 0;
}

static int exchange_grow(struct exchange *exchange) {
    if (exchange->length < exchange->room) return 0;
    if (exchange->room >= LOCAL_REQUEST_ANSWER_MAX) return errno = EMSGSIZE, -1;
    size_t room = exchange->room ? exchange->room * 2 : 4096;
    char *bytes = realloc(exchange->bytes, room);
    if (!bytes) return -1;
    exchange->bytes = bytes;
    exchange->room = room;
    return 0;
}

/* Reads until there is a line, whose length it returns; -1 with errno. */
static ssize_t exchange_read(struct exchange *exchange) {
    for (;;) {
        if (exchange_grow(exchange) < 0) return -1;
        char *end = exchange->bytes + exchange->length;
        ssize_t count = recv(exchange->fd, end, exchange->room - exchange->length, 0);
        if (count == 0) return errno = ECONNRESET, -1;
        if (count < 0 && exchange_retry(exchange, POLLIN) < 0) return -1;
        if (count < 0) continue;
        exchange->length += (size_t)count;
        const char *feed = memchr(end, '\n', (size_t)count);
        if (feed) return feed - exchange->bytes;
    }
}

static int connect_to(const char *path) {
    struct address address = {.scheme = SCHEME_UNIX};
    struct endpoint endpoint;
    size_t length = strlen(path);
    if (length == 0 || length > ADDRESS_PATH_MAX) return errno = ENAMETOOLONG, -1;
    memcpy(address.path, path, length + 1);
    if (endpoint_from_address(&endpoint, &address) < 0) return errno = EINVAL, -1;
    return socket_connect(&endpoint, &(struct socket_options){0});
}

int local_request(const char *path, const char *text, size_t length, double seconds, char **answer,
                  size_t *answer_length) {
    struct exchange exchange = {.deadline = clock_now() + seconds};
    ssize_t line = -1;
    exchange.fd = connect_to(path);
    if (exchange.fd < 0) return -1;
    if (exchange_write(&exchange, text, length) == 0) line = exchange_read(&exchange);
    int error = errno;
    close(exchange.fd);
    if (line < 0) return free(exchange.bytes), errno = error, -1;
    *answer = exchange.bytes;
    *answer_length = (size_t)line;
    return 0;
}
