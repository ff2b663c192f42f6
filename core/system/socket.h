/* Sockets: made non-blocking and close-on-exec, configured, bound, connected. Thin over socket(7), tcp(7),
 * ip(7), ipv6(7), unix(7). Every call returns like the system call it is named after: -1 with errno set.
 * A descriptor returned here belongs to the caller. */
#ifndef PERIGEE_SYSTEM_SOCKET_H
#define PERIGEE_SYSTEM_SOCKET_H

#include "system/address.h"

struct socket_options {
    int backlog;        /* listen(2); 0: the kernel's limit (net.core.somaxconn) */
    int receive_buffer; /* SO_RCVBUF bytes; 0: the kernel's choice */
    int send_buffer;    /* SO_SNDBUF bytes; 0: the kernel's choice */
    int keepalive;      /* seconds of silence before TCP probes a peer; 0: no probes */
    unsigned nodelay : 1;
    unsigned reuseport : 1;
    unsigned v6only : 1;
    unsigned broadcast : 1;
};

/* Binds and listens; SO_REUSEADDR is always on. A stale Unix socket file that nobody listens on is replaced.
 * Accepted sockets inherit nodelay, keepalive and the buffers, so they need no socket_configure. */
int socket_listen(const struct endpoint *endpoint, const struct socket_options *options);
/* Binds without listening and closes again: would socket_listen succeed? */
int socket_probe(const struct endpoint *endpoint, const struct socket_options *options);
/* Starts a connection; a descriptor whose connect(2) may still be in progress. */
int socket_connect(const struct endpoint *endpoint, const struct socket_options *options);
/* The outcome of a connect(2) that became writable: 0 or an errno value (SO_ERROR). */
int socket_connect_result(int fd);
/* accept4(2). Fills *peer when it is not NULL. */
int socket_accept(int fd, struct endpoint *peer);
/* A UDP socket, bound when `local` is not NULL, connected when `remote` is not NULL. `family` AF_INET or AF_INET6
 * is used when both are NULL. */
int socket_datagram(const struct endpoint *local, const struct endpoint *remote, int family,
                    const struct socket_options *options);
int socket_kernel_has_tls(void); /* encryption by the kernel, tls(7) TCP_ULP */
int socket_pair(int fds[2]);     /* two connected stream sockets, unix(7) */

/* Options of a connected stream (nodelay, keepalive, buffers); Unix sockets ignore TCP's. */
int socket_configure(int fd, int family, const struct socket_options *options);
/* Breaks a TCP connection with ETIMEDOUT when its peer takes nothing for so long, tcp(7) TCP_USER_TIMEOUT. */
void socket_give_up_after(int fd, int seconds);
int socket_local(int fd, struct endpoint *endpoint);  /* getsockname(2) */
int socket_remote(int fd, struct endpoint *endpoint); /* getpeername(2) */
/* Removes the file of a bound Unix socket; nothing for others and for abstract names. */
void socket_unlink(const struct endpoint *endpoint);

#endif
