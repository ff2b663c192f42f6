/* libcurl's sockets, watched by the loop. A connection between two transfers stays watched, so that the next one needs
 * no epoll_ctl(2); the watcher stops when something comes meanwhile. */
#include "io/http_client_private.h"
#include "system/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct http_client_socket {
    ev_io io; /* first, so that its address is the socket's */
    struct http_client *client;
    int wanted;       /* EV_READ, EV_WRITE: what libcurl waits for */
    int is_connected; /* as far as is known */
    ino_t identity;
    int has_port, port;
};

static void watch(struct http_client_socket *socket, int events) {
    int watched = ev_is_active(&socket->io) ? socket->io.events & (EV_READ | EV_WRITE) : 0;
    if (events == watched) return;
    ev_io_stop(socket->client->ev, &socket->io);
    ev_io_set(&socket->io, socket->io.fd, events);
    if (events) ev_io_start(socket->client->ev, &socket->io);
}

static int curl_events(int events) {
    return ((events & EV_READ) ? CURL_CSELECT_IN : 0) | ((events & EV_WRITE) ? CURL_CSELECT_OUT : 0);
}

/* Nobody waits for what comes between two transfers: libcurl looks itself when it takes the connection up again. */
static void on_socket(struct ev_loop *ev, ev_io *io, int events) {
    struct http_client_socket *socket = (struct http_client_socket *)io;
    int wanted = events & socket->wanted, error = events & EV_ERROR;
    (void)ev;
    if (!wanted && !error) watch(socket, socket->wanted);
    else http_client_act(socket->client, io->fd, curl_events(wanted) | (error ? CURL_CSELECT_ERR : 0));
}

static int grow(struct http_client *client, size_t fd) {
    size_t count = fd + fd / 2 + 16;
    struct http_client_socket **sockets = realloc(client->sockets, count * sizeof *sockets);
    if (!sockets) return -1;
    memset(sockets + client->socket_count, 0, (count - client->socket_count) * sizeof *sockets);
    client->sockets = sockets;
    client->socket_count = count;
    return 0;
}

static struct http_client_socket *socket_of(const struct http_client *client, curl_socket_t fd) {
    return fd >= 0 && (size_t)fd < client->socket_count ? client->sockets[fd] : NULL;
}

static void forget(struct http_client *client, struct http_client_socket *socket) {
    ev_io_stop(client->ev, &socket->io);
    client->sockets[socket->io.fd] = NULL;
    free(socket);
}

/* The kernel's own number of a socket: a descriptor's number is used again. */
static ino_t identity(curl_socket_t fd) {
    struct stat status;
    return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

static struct http_client_socket *remember(struct http_client *client, curl_socket_t fd) {
    if ((size_t)fd >= client->socket_count && grow(client, (size_t)fd) < 0) return NULL;
    struct http_client_socket *socket = calloc(1, sizeof *socket);
    if (!socket) return NULL;
    if (client->sockets[fd]) forget(client, client->sockets[fd]);
    ev_io_init(&socket->io, on_socket, fd, 0);
    socket->client = client;
    socket->identity = identity(fd);
    return client->sockets[fd] = socket;
}

static curl_socket_t open_socket(struct http_client *client, const struct curl_sockaddr *address) {
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
    if (fd < 0 || remember(client, fd)) return fd;
    close(fd);
    return errno = ENOMEM, -1;
}

/* CURLOPT_OPENSOCKETFUNCTION(3). */
static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
    struct http_transfer *transfer = context;
    int fd = open_socket(transfer->client, address);
    (void)purpose;
    if (fd < 0) transfer->socket_error = errno;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* CURLOPT_CLOSESOCKETFUNCTION(3). */
static int on_close(void *context, curl_socket_t fd) {
    struct http_client_socket *socket = socket_of(context, fd);
    if (socket) forget(context, socket);
    return close(fd);
}

/* libcurl does not say that it has closed a socket which never got connected. */
static int is_gone(struct http_client_socket *socket) {
    if (socket->is_connected) return 0;
    socket->is_connected = identity(socket->io.fd) == socket->identity;
    return !socket->is_connected;
}

/* No transfer waits for it any more: it is kept for the next one, or about to be closed, or it was. */
static void release(struct http_client *client, struct http_client_socket *socket) {
    socket->wanted = 0;
    if (is_gone(socket)) forget(client, socket);
    else if (ev_is_active(&socket->io)) watch(socket, socket->io.events & EV_READ);
}

/* CURLMOPT_SOCKETFUNCTION(3). */
static int on_interest(CURL *easy, curl_socket_t fd, int what, void *context, void *unused) {
    struct http_client *client = context;
    struct http_client_socket *socket = socket_of(client, fd);
    (void)easy, (void)unused;
    if (!socket) return 0; /* it is closed */
    if (what == CURL_POLL_REMOVE) {
        release(client, socket);
        return 0;
    }
    socket->wanted = ((what & CURL_POLL_IN) ? EV_READ : 0) | ((what & CURL_POLL_OUT) ? EV_WRITE : 0);
    watch(socket, socket->wanted);
    return 0;
}

void http_client_use_sockets(struct http_client *client) {
    client->curl.multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_interest);
    client->curl.multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
}

void http_transfer_use_sockets(struct http_transfer *transfer) {
    struct http_client *client = transfer->client;
    client->curl.easy_setopt(transfer->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    client->curl.easy_setopt(transfer->easy, CURLOPT_OPENSOCKETDATA, transfer);
    client->curl.easy_setopt(transfer->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    client->curl.easy_setopt(transfer->easy, CURLOPT_CLOSESOCKETDATA, client);
}

static int own_port(const struct http_client_socket *socket) {
    struct endpoint endpoint;
    return socket_local(socket->io.fd, &endpoint) < 0 ? -1 : endpoint_port(&endpoint);
}

/* That of a Unix socket is 0. */
static int port_of(struct http_client_socket *socket) {
    if (!socket->has_port) socket->port = own_port(socket);
    socket->has_port = 1;
    return socket->port;
}

static int has_input(const struct http_client_socket *socket) {
    char byte;
    return recv(socket->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

int http_client_is_stale(const struct http_client *client, CURL *easy, int port) {
    long made = 0;
    client->curl.easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &made);
    if (made) return 0; /* a new connection, whose TLS may have come with tickets */
    for (size_t fd = 0; fd < client->socket_count; fd++) {
        struct http_client_socket *socket = client->sockets[fd];
        if (socket && !socket->wanted && port_of(socket) == port && has_input(socket)) return 1;
    }
    return 0;
}

void http_client_forget_sockets(struct http_client *client) {
    for (size_t fd = 0; fd < client->socket_count; fd++)
        if (client->sockets[fd]) forget(client, client->sockets[fd]);
    free(client->sockets);
    client->sockets = NULL;
    client->socket_count = 0;
}
