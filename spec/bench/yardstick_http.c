/* The yardstick for HTTP: one thread, level-triggered epoll; one read, and one write for all that it asked.
 *
 *   yardstick_http PORT [FILE]   0 lets the kernel choose; the port is printed when it listens
 *
 * Answers GET /hello, /hello/NAME, /json, and any path below /files/ with FILE, by sendfile. It parses no more than
 * finding what is asked for takes. A connection with unwritten output is not read until the kernel has taken it all. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 65536, WRITE_SIZE = 1 << 20, EVENTS = 256, ANSWER_MAX = 512 };

struct connection {
    int fd;
    char *input, *output; /* the beginning of a head, and what the kernel would not take yet; or NULL */
    size_t input_size, output_start, output_end;
    off_t file_start, file_end; /* of the file, still to be sent after the output */
};

struct server {
    int epoll, listener, file;
    off_t file_size;
    time_t second;
    char date[40];
    size_t out_size;
    char in[READ_SIZE], out[WRITE_SIZE];
};

static int watch(struct server *server, int operation, int fd, uint32_t events, void *data) {
    struct epoll_event event = {.events = events, .data.ptr = data};
    return epoll_ctl(server->epoll, operation, fd, &event);
}

static void connection_free(struct connection *connection) {
    close(connection->fd);
    free(connection->input);
    free(connection->output);
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

/* The answers. */

static void put(struct server *server, const char *text, size_t size) {
    memcpy(server->out + server->out_size, text, size);
    server->out_size += size;
}

static void put_head(struct server *server, const char *type, size_t length) {
    char *to = server->out + server->out_size;
    server->out_size +=
        (size_t)sprintf(to, "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                        server->date, type, length);
}

static void answer_hello(struct server *server) {
    static const char start[] = "HTTP/1.1 200 OK\r\nDate: ";
    static const char rest[] = "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 12\r\n\r\nHello, world";
    put(server, start, sizeof start - 1);
    put(server, server->date, strlen(server->date));
    put(server, rest, sizeof rest - 1);
}

static void answer_name(struct server *server, const char *name, size_t size) {
    put_head(server, "text/plain; charset=utf-8", sizeof "Hello, " - 1 + size);
    put(server, "Hello, ", sizeof "Hello, " - 1);
    put(server, name, size);
}

static void answer_json(struct server *server) {
    char body[128];
    int size =
        snprintf(body, sizeof body, "{\"id\":%d,\"name\":\"%s\",\"price\":%.2f,\"active\":%s,\"tags\":[\"%s\",\"%s\"]}",
                 7, "lamp", 19.75, "true", "home", "light");
    put_head(server, "application/json", (size_t)size);
    put(server, body, (size_t)size);
}

static bool answer_file(struct server *server, struct connection *connection) {
    if (server->file < 0) return false;
    put_head(server, "application/octet-stream", (size_t)server->file_size);
    connection->file_start = 0;
    connection->file_end = server->file_size;
    return true;
}

static bool answer(struct server *server, struct connection *connection, const char *head, size_t size) {
    if (memcmp(head, "GET /", 5) != 0 || server->out_size + size + ANSWER_MAX > WRITE_SIZE) return false;
    const char *path = head + 4, *end = memchr(path, ' ', size - 4);
    if (!end) return false;
    size_t length = (size_t)(end - path);
    if (length == 6 && memcmp(path, "/hello", 6) == 0) answer_hello(server);
    else if (length > 7 && memcmp(path, "/hello/", 7) == 0) answer_name(server, path + 7, length - 7);
    else if (length == 5 && memcmp(path, "/json", 5) == 0) answer_json(server);
    else if (length > 7 && memcmp(path, "/files/", 7) == 0) return answer_file(server, connection);
    else return false;
    return true;
}

/* Reading and writing. */

static bool connection_keep_input(struct connection *connection, const char *data, size_t size) {
    char *kept = size ? malloc(size) : NULL;
    if (size && !kept) return false;
    if (size) memcpy(kept, data, size);
    free(connection->input);
    connection->input = kept;
    connection->input_size = size;
    return true;
}

static bool connection_keep_output(struct server *server, struct connection *connection, size_t done) {
    connection->output_start = 0;
    connection->output_end = server->out_size - done;
    connection->output = malloc(connection->output_end + 1);
    if (!connection->output) return false;
    memcpy(connection->output, server->out + done, connection->output_end);
    return watch(server, EPOLL_CTL_MOD, connection->fd, EPOLLOUT, connection) == 0;
}

/* 1: all is sent; 0: the kernel takes no more now; -1: the connection is lost. */
static int connection_send_file(struct server *server, struct connection *connection) {
    while (connection->file_start < connection->file_end) {
        size_t left = (size_t)(connection->file_end - connection->file_start);
        ssize_t sent = sendfile(connection->fd, server->file, &connection->file_start, left);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return sent < 0 && errno == EAGAIN ? 0 : -1;
    }
    return 1;
}

static bool connection_flush(struct server *server, struct connection *connection) {
    if (server->out_size == 0) return true;
    int more = connection->file_end > connection->file_start ? MSG_MORE : 0;
    ssize_t sent = send(connection->fd, server->out, server->out_size, more);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (sent < (ssize_t)server->out_size)
        return connection_keep_output(server, connection, sent < 0 ? 0 : (size_t)sent);
    int done = connection_send_file(server, connection);
    return done > 0 || (done == 0 && connection_keep_output(server, connection, server->out_size));
}

/* Answers whole heads, up to one that asks for the file. Returns their bytes, or -1. */
static ssize_t answer_heads(struct server *server, struct connection *connection, const char *data, size_t size) {
    const char *at = data, *end;
    server->out_size = 0;
    while (connection->file_start == connection->file_end && (end = memmem(at, size, "\r\n\r\n", 4))) {
        size_t head = (size_t)(end + 4 - at);
        if (!answer(server, connection, at, head)) return -1;
        at += head;
        size -= head;
    }
    return at - data;
}

static bool connection_answer(struct server *server, struct connection *connection, const char *data, size_t size) {
    ssize_t taken;
    do {
        taken = answer_heads(server, connection, data, size);
        if (taken < 0 || !connection_flush(server, connection)) return false;
        data += taken;
        size -= (size_t)taken;
    } while (taken > 0 && size > 0 && !connection->output);
    return (size == 0 && !connection->input) || connection_keep_input(connection, data, size);
}

static bool connection_read(struct server *server, struct connection *connection) {
    size_t kept = connection->input_size;
    if (kept == READ_SIZE) return false;
    if (kept) memcpy(server->in, connection->input, kept);
    ssize_t got = read(connection->fd, server->in + kept, READ_SIZE - kept);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    return connection_answer(server, connection, server->in, kept + (size_t)got);
}

/* The rest of the output, then of the file, then what was asked after it. */
static bool connection_write(struct server *server, struct connection *connection) {
    size_t left = connection->output_end - connection->output_start;
    ssize_t sent = left ? write(connection->fd, connection->output + connection->output_start, left) : 0;
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    connection->output_start += (size_t)sent;
    if (connection->output_start < connection->output_end) return true;
    int done = connection_send_file(server, connection);
    if (done <= 0) return done == 0;
    free(connection->output);
    connection->output = NULL;
    if (watch(server, EPOLL_CTL_MOD, connection->fd, EPOLLIN, connection) < 0) return false;
    size_t size = connection->input_size;
    if (size) memcpy(server->in, connection->input, size);
    return size == 0 || connection_answer(server, connection, server->in, size);
}

static void serve(struct server *server, const struct epoll_event *event) {
    struct connection *connection = event->data.ptr;
    if (!connection) {
        connection_accept(server);
        return;
    }
    bool alive = connection->output ? connection_write(server, connection) : connection_read(server, connection);
    if (!alive) connection_free(connection);
}

static void server_tell_time(struct server *server) {
    time_t now = time(NULL);
    if (now == server->second) return;
    struct tm parts;
    server->second = now;
    strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
}

static void server_open_file(struct server *server, const char *path) {
    struct stat about;
    server->file = open(path, O_RDONLY | O_CLOEXEC);
    if (server->file < 0 || fstat(server->file, &about) < 0) bench_fail(path);
    server->file_size = about.st_size;
}

int main(int argc, char **argv) {
    static struct server server = {.file = -1};
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2) server_open_file(&server, argv[2]);
    server.listener = bench_listen((uint16_t)bench_number("PORT", argc > 1 ? argv[1] : "0", 0, 65535));
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server.epoll < 0 || watch(&server, EPOLL_CTL_ADD, server.listener, EPOLLIN, NULL) < 0) bench_fail("epoll");
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(server.epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) bench_fail("epoll_wait");
        server_tell_time(&server);
        for (int i = 0; i < count; i++) serve(&server, &events[i]);
    }
}
