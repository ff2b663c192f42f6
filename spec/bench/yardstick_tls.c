/* The yardstick for TLS: a bare C server on OpenSSL, one thread, level-triggered epoll.
 *
 *   yardstick_tls echo|hello CERTIFICATE KEY PORT     0 lets the kernel choose; the port is printed when it listens
 *
 * Echoes, or answers each HTTP request with "Hello, world" and closes where it asks for "Connection: close". OpenSSL as
 * one would set it up by hand: 64 KiB are read at a time, each record is written from where it lies, no memory is kept
 * for idle sessions. A connection with unwritten output is not read until the kernel has taken it all. */
#include "bench.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 65536, EVENTS = 256 };

struct connection {
    int fd;
    SSL *session;
    bool ready, closes;
    char *rest; /* output that the kernel would not take yet, or NULL */
    size_t start, end;
};

struct server {
    int epoll, listener;
    SSL_CTX *context;
    bool (*serve)(struct server *server, struct connection *connection, size_t size);
    time_t second;
    char date[40];
    size_t answer_size;
    char answer[256];
    char buffer[READ_SIZE];
};

static int watch(struct server *server, int operation, int fd, uint32_t events, void *data) {
    struct epoll_event event = {.events = events, .data.ptr = data};
    return epoll_ctl(server->epoll, operation, fd, &event);
}

static void connection_free(struct connection *connection) {
    SSL_free(connection->session);
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
    if (!connection || !(connection->session = SSL_new(server->context))) bench_fail("SSL_new");
    connection->fd = fd;
    SSL_set_accept_state(connection->session);
    if (SSL_set_fd(connection->session, fd) != 1 || watch(server, EPOLL_CTL_ADD, fd, EPOLLIN, connection) < 0)
        connection_free(connection);
}

/* After a call that gave `result`: whether it only has to wait. */
static bool waits(const struct connection *connection, int result) {
    int kind = SSL_get_error(connection->session, result);
    return kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE;
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

static bool connection_put(struct server *server, struct connection *connection, const char *data, size_t size) {
    size_t written;
    while (size > 0) {
        int result = SSL_write_ex(connection->session, data, size, &written);
        if (result != 1) return waits(connection, result) && connection_keep(server, connection, data, size);
        data += written;
        size -= written;
    }
    return true;
}

static bool serve_echo(struct server *server, struct connection *connection, size_t size) {
    return connection_put(server, connection, server->buffer, size);
}

static void server_tell_time(struct server *server) {
    time_t now = time(NULL);
    if (now == server->second) return;
    struct tm parts;
    server->second = now;
    strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
    server->answer_size = (size_t)snprintf(server->answer, sizeof server->answer,
                                           "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                           "Content-Length: 12\r\n\r\nHello, world",
                                           server->date);
}

/* Takes one whole request at a time, as the loads send them. */
static bool serve_hello(struct server *server, struct connection *connection, size_t size) {
    const char *data = server->buffer;
    if (size < 8 || memcmp(data, "GET /", 5) != 0 || memcmp(data + size - 4, "\r\n\r\n", 4) != 0) return false;
    connection->closes = memmem(data, size, "\r\nConnection: close\r\n", 21) != NULL;
    server_tell_time(server);
    if (!connection_put(server, connection, server->answer, server->answer_size)) return false;
    if (connection->closes) SSL_shutdown(connection->session);
    return !connection->closes;
}

static bool connection_handshake(struct connection *connection) {
    int result = SSL_do_handshake(connection->session);
    if (result != 1) return waits(connection, result);
    SSL_set_default_read_buffer_len(connection->session, READ_SIZE);
    return connection->ready = true;
}

/* Takes what one read(2) has brought: as many records as OpenSSL holds. Whether there may be more is in *full. */
static bool connection_read(struct server *server, struct connection *connection, bool *full) {
    size_t total = 0, got;
    int result;
    do {
        result = SSL_read_ex(connection->session, server->buffer + total, READ_SIZE - total, &got);
        if (result == 1) total += got;
    } while (result == 1 && total < READ_SIZE && SSL_has_pending(connection->session));
    *full = total == READ_SIZE;
    if (total == 0) return waits(connection, result);
    return server->serve(server, connection, total);
}

static bool connection_write(struct server *server, struct connection *connection) {
    size_t written;
    const char *data = connection->rest + connection->start;
    int result = SSL_write_ex(connection->session, data, connection->end - connection->start, &written);
    if (result != 1) return waits(connection, result);
    connection->start += written;
    if (connection->start < connection->end) return true;
    free(connection->rest);
    connection->rest = NULL;
    return watch(server, EPOLL_CTL_MOD, connection->fd, EPOLLIN, connection) == 0;
}

/* What OpenSSL still holds makes no event: it is taken at once. */
static bool connection_serve(struct server *server, struct connection *connection) {
    bool full;
    ERR_clear_error();
    if (connection->rest && !connection_write(server, connection)) return false;
    if (connection->rest) return true;
    if (!connection->ready && !connection_handshake(connection)) return false;
    if (!connection->ready) return true;
    do {
        if (!connection_read(server, connection, &full)) return false;
    } while (full && !connection->rest);
    return true;
}

static void serve(struct server *server, const struct epoll_event *event) {
    struct connection *connection = event->data.ptr;
    if (!connection) connection_accept(server);
    else if (!connection_serve(server, connection)) connection_free(connection);
}

static SSL_CTX *context_new(const char *certificate, const char *key) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets need none */
    SSL_CTX_set_read_ahead(context, 1);
    return context;
}

int main(int argc, char **argv) {
    static struct server server;
    if (argc != 5) bench_usage("yardstick_tls echo|hello CERTIFICATE KEY PORT");
    signal(SIGPIPE, SIG_IGN);
    server.serve = strcmp(argv[1], "echo") == 0 ? serve_echo : serve_hello;
    server.context = context_new(argv[2], argv[3]);
    server.listener = bench_listen((uint16_t)bench_number("PORT", argv[4], 0, 65535));
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server.epoll < 0 || watch(&server, EPOLL_CTL_ADD, server.listener, EPOLLIN, NULL) < 0) bench_fail("epoll");
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(server.epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) bench_fail("epoll_wait");
        for (int i = 0; i < count; i++) serve(&server, &events[i]);
    }
}
