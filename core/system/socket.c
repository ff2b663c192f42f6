#include "system/socket.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Retransmission of probes: tcp(7)'s default interval, where the silence asked for is not shorter. */
enum { PROBE_INTERVAL = 75 };

static int option_set(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value);
}

/* Always -1, with the errno of what failed before. Not retried at EINTR: Linux has closed it then, close(2). */
static int close_failed(int fd) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int is_inet(int family) {
    return family == AF_INET || family == AF_INET6;
}

static int socket_open(int family, int type) {
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Before listen(2) and connect(2): TCP agrees on its window scale in the handshake, tcp(7). */
static int configure_buffers(int fd, const struct socket_options *options) {
    int receive = options->receive_buffer, send = options->send_buffer;
    if (receive && option_set(fd, SOL_SOCKET, SO_RCVBUF, receive)) return -1;
    if (send && option_set(fd, SOL_SOCKET, SO_SNDBUF, send)) return -1;
    return 0;
}

static int configure_keepalive(int fd, int seconds) {
    int interval = seconds < PROBE_INTERVAL ? seconds : PROBE_INTERVAL;
    if (option_set(fd, SOL_SOCKET, SO_KEEPALIVE, seconds != 0)) return -1;
    if (!seconds) return 0;
    if (option_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds)) return -1;
    return option_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval);
}

int socket_configure(int fd, int family, const struct socket_options *options) {
    if (configure_buffers(fd, options)) return -1;
    if (!is_inet(family)) return 0;
    if (option_set(fd, IPPROTO_TCP, TCP_NODELAY, options->nodelay)) return -1;
    return configure_keepalive(fd, options->keepalive);
}

/* What must be set before bind(2). V6ONLY both ways: its default is a sysctl, ipv6(7). */
static int configure_bind(int fd, int family, const struct socket_options *options) {
    if (!is_inet(family)) return 0;
    if (options->reuseport && option_set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) return -1;
    if (family == AF_INET6 && option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->v6only)) return -1;
    return 0;
}

/* Not for datagrams: there SO_REUSEADDR would let two servers have one port, socket(7). */
static int configure_listener(int fd, int family, const struct socket_options *options) {
    if (is_inet(family) && option_set(fd, SOL_SOCKET, SO_REUSEADDR, 1)) return -1;
    if (configure_bind(fd, family, options)) return -1;
    return socket_configure(fd, family, options);
}

static int configure_datagram(int fd, int family, const struct socket_options *options) {
    if (configure_bind(fd, family, options)) return -1;
    if (options->broadcast && option_set(fd, SOL_SOCKET, SO_BROADCAST, 1)) return -1;
    return configure_buffers(fd, options);
}

/* The path of a Unix socket that has a file, else NULL. It ends with a NUL or with the length, unix(7). */
static const char *local_path(const struct endpoint *endpoint, char path[sizeof(struct sockaddr_un)]) {
    size_t before = offsetof(struct sockaddr_un, sun_path);
    if (endpoint->as.any.sa_family != AF_UNIX || endpoint->length <= before) return NULL;
    if (!endpoint->as.local.sun_path[0]) return NULL;
    size_t length = strnlen(endpoint->as.local.sun_path, endpoint->length - before);
    memcpy(path, endpoint->as.local.sun_path, length);
    path[length] = 0;
    return path;
}

static int is_socket_file(const char *path) {
    struct stat status;
    return !lstat(path, &status) && S_ISSOCK(status.st_mode);
}

/* Only ECONNREFUSED says that nobody listens: EAGAIN is a full backlog, EACCES and EPROTOTYPE are somebody else's. */
static int nobody_listens(const struct endpoint *endpoint) {
    int fd = socket_open(AF_UNIX, SOCK_STREAM);
    if (fd < 0) return 0;
    int refused = connect(fd, &endpoint->as.any, endpoint->length) && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* bind(2), which fails with EADDRINUSE when the file is there, whoever left it. Two processes that find the
 * same stale file at once can both replace it, and the later one keeps the name. */
static int bind_replacing(int fd, const struct endpoint *endpoint) {
    char buffer[sizeof(struct sockaddr_un)];
    if (!bind(fd, &endpoint->as.any, endpoint->length)) return 0;
    const char *path = local_path(endpoint, buffer);
    if (errno != EADDRINUSE || !path) return -1;
    if (is_socket_file(path) && nobody_listens(endpoint)) {
        if (unlink(path) && errno != ENOENT) return -1;
        return bind(fd, &endpoint->as.any, endpoint->length);
    }
    errno = EADDRINUSE;
    return -1;
}

static int socket_bind(const struct endpoint *endpoint, const struct socket_options *options) {
    int family = endpoint->as.any.sa_family;
    int fd = socket_open(family, SOCK_STREAM);
    if (fd < 0) return -1;
    if (configure_listener(fd, family, options) || bind_replacing(fd, endpoint)) return close_failed(fd);
    return fd;
}

/* The kernel cuts the backlog to net.core.somaxconn, listen(2); libc's SOMAXCONN may be less than that. */
int socket_listen(const struct endpoint *endpoint, const struct socket_options *options) {
    int fd = socket_bind(endpoint, options);
    if (fd < 0) return -1;
    if (listen(fd, options->backlog ? options->backlog : INT_MAX)) {
        close_failed(fd);
        int error = errno;
        socket_unlink(endpoint);
        errno = error;
        return -1;
    }
    return fd;
}

int socket_probe(const struct endpoint *endpoint, const struct socket_options *options) {
    int fd = socket_bind(endpoint, options);
    if (fd < 0) return -1;
    close(fd);
    socket_unlink(endpoint);
    return 0;
}

/* A connect(2) that a signal interrupts goes on like one that is in progress, POSIX connect(). */
int socket_connect(const struct endpoint *endpoint, const struct socket_options *options) {
    int family = endpoint->as.any.sa_family;
    int fd = socket_open(family, SOCK_STREAM);
    if (fd < 0) return -1;
    if (socket_configure(fd, family, options)) return close_failed(fd);
    if (!connect(fd, &endpoint->as.any, endpoint->length)) return fd;
    if (errno == EINPROGRESS || errno == EINTR) return fd;
    return close_failed(fd);
}

int socket_connect_result(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length)) return errno;
    return error;
}

/* For a call to fill. Zeroed, so that a path that fills sun_path is followed by a NUL. */
static void endpoint_prepare(struct endpoint *endpoint) {
    memset(endpoint, 0, sizeof *endpoint);
    endpoint->length = sizeof endpoint->as;
}

/* The kernel reports the length it wanted: one byte more than there is when a path fills sun_path, unix(7). */
static void endpoint_settle(struct endpoint *endpoint) {
    if (endpoint->length > sizeof endpoint->as.local && endpoint->as.any.sa_family == AF_UNIX)
        endpoint->length = sizeof endpoint->as.local;
}

static int accept_once(int fd, struct endpoint *peer) {
    if (!peer) return accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    endpoint_prepare(peer);
    int accepted = accept4(fd, &peer->as.any, &peer->length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    endpoint_settle(peer);
    return accepted;
}

int socket_accept(int fd, struct endpoint *peer) {
    int accepted;
    do accepted = accept_once(fd, peer);
    while (accepted < 0 && errno == EINTR);
    return accepted;
}

static int datagram_attach(int fd, const struct endpoint *local, const struct endpoint *remote) {
    if (local && bind(fd, &local->as.any, local->length)) return -1;
    if (remote && connect(fd, &remote->as.any, remote->length)) return -1;
    return 0;
}

int socket_datagram(const struct endpoint *local, const struct endpoint *remote, int family,
                    const struct socket_options *options) {
    if (remote) family = remote->as.any.sa_family;
    if (local) family = local->as.any.sa_family;
    int fd = socket_open(family, SOCK_DGRAM);
    if (fd < 0) return -1;
    if (configure_datagram(fd, family, options) || datagram_attach(fd, local, remote)) return close_failed(fd);
    return fd;
}

int socket_pair(int fds[2]) {
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
}

/* Asked of a socket that is not connected: where there is TLS, that is what is wrong with it. */
int socket_kernel_has_tls(void) {
    int fd = socket_open(AF_INET, SOCK_STREAM);
    if (fd < 0) return 0;
    int has = setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 || errno == ENOTCONN;
    close(fd);
    return has;
}

void socket_give_up_after(int fd, int seconds) {
    unsigned milliseconds = (unsigned)seconds * 1000;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds); /* fails on Unix sockets */
}

int socket_local(int fd, struct endpoint *endpoint) {
    endpoint_prepare(endpoint);
    if (getsockname(fd, &endpoint->as.any, &endpoint->length)) return -1;
    endpoint_settle(endpoint);
    return 0;
}

int socket_remote(int fd, struct endpoint *endpoint) {
    endpoint_prepare(endpoint);
    if (getpeername(fd, &endpoint->as.any, &endpoint->length)) return -1;
    endpoint_settle(endpoint);
    return 0;
}

/* A file of that name that is no socket is somebody else's. */
void socket_unlink(const struct endpoint *endpoint) {
    char buffer[sizeof(struct sockaddr_un)];
    const char *path = local_path(endpoint, buffer);
    if (path && is_socket_file(path)) unlink(path);
}
