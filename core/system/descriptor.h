/* Descriptors of any kind: what they are, and passing them over Unix sockets (unix(7), SCM_RIGHTS). One message is one
 * byte, the number of descriptors in it, as Python's multiprocessing.reduction has it. -1 with errno on failure. */
#ifndef PERIGEE_SYSTEM_DESCRIPTOR_H
#define PERIGEE_SYSTEM_DESCRIPTOR_H

enum descriptor_kind {
    DESCRIPTOR_LISTENER,   /* a listening stream socket */
    DESCRIPTOR_CONNECTION, /* any other stream socket */
    DESCRIPTOR_DATAGRAM,   /* UDP */
    DESCRIPTOR_FILE,       /* a regular file */
    DESCRIPTOR_PIPE,
    DESCRIPTOR_OTHER
};

enum descriptor_kind descriptor_kind(int fd);
const char *descriptor_kind_name(enum descriptor_kind kind);
const char *descriptor_mode(int fd); /* for fdopen(3): "r", "w", "r+", "a" or "a+" */

int descriptor_is_unix_socket(int fd);
int descriptor_set_blocking(int fd, int blocking);   /* for all who share the open file */
int descriptor_set_inherited(int fd, int inherited); /* by the programs that this process executes */

/* Who was at the other end when a Unix connection was made. */
struct descriptor_peer {
    int pid, uid, gid;
};
int descriptor_peer(int socket, struct descriptor_peer *peer);

/* sendmsg(2) of one descriptor; it stays the caller's. */
int descriptor_send(int socket, int fd);

enum { DESCRIPTOR_LOST = -1 }; /* a count: descriptors came, but this process may have no more */

/* recvmsg(2) of one byte: 1, or 0 at the end of the stream. `count` is how many descriptors came with it; when it is one,
 * *fd is the caller's, close-on-exec; otherwise all of them have been closed, and *fd is -1. */
int descriptor_receive(int socket, unsigned char *byte, int *fd, int *count);

#endif
