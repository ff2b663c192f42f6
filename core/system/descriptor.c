#include "system/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RIGHTS_MAX = 253 }; /* descriptors of one message: the kernel's SCM_MAX_FD, unix(7) */

static int socket_option(int fd, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

static enum descriptor_kind socket_kind(int fd, int type) {
    int family = socket_option(fd, SO_DOMAIN), inet = family == AF_INET || family == AF_INET6;
    if (type == SOCK_DGRAM && inet) return DESCRIPTOR_DATAGRAM;
    if (type != SOCK_STREAM || (!inet && family != AF_UNIX)) return DESCRIPTOR_OTHER;
    return socket_option(fd, SO_ACCEPTCONN) == 1 ? DESCRIPTOR_LISTENER : DESCRIPTOR_CONNECTION;
}

enum descriptor_kind descriptor_kind(int fd) {
    struct stat status;
    int type = socket_option(fd, SO_TYPE);
    if (type >= 0) return socket_kind(fd, type);
    if (fstat(fd, &status) < 0) return DESCRIPTOR_OTHER;
    if (S_ISREG(status.st_mode)) return DESCRIPTOR_FILE;
    return S_ISFIFO(status.st_mode) ? DESCRIPTOR_PIPE : DESCRIPTOR_OTHER;
}

const char *descriptor_kind_name(enum descriptor_kind kind) {
    static const char *const names[] = {"listener", "connection", "datagram", "file", "pipe", "other"};
    return names[kind];
}

const char *descriptor_mode(int fd) {
    int flags = fcntl(fd, F_GETFL);
    int access = flags < 0 ? O_RDONLY : flags & O_ACCMODE;
    if (access == O_RDONLY) return "r";
    if (flags & O_APPEND) return access == O_RDWR ? "a+" : "a";
    return access == O_RDWR ? "r+" : "w";
}

int descriptor_is_unix_socket(int fd) {
    return socket_option(fd, SO_DOMAIN) == AF_UNIX;
}

int descriptor_set_blocking(int fd, int blocking) {
    int value = !blocking;
    return ioctl(fd, FIONBIO, &value);
}

int descriptor_set_inherited(int fd, int inherited) {
    return ioctl(fd, inherited ? FIONCLEX : FIOCLEX);
}

int descriptor_peer(int socket, struct descriptor_peer *peer) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (!descriptor_is_unix_socket(socket)) return errno = EAFNOSUPPORT, -1;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length)) return -1;
    *peer = (struct descriptor_peer){credentials.pid, (int)credentials.uid, (int)credentials.gid};
    return 0;
}

int descriptor_send(int socket, int fd) {
    unsigned char byte = 1;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec vector = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

/* The descriptors of a received message: the only one, or none with all of them closed. */
static void take_rights(struct msghdr *message, int *fd, int *count) {
    *fd = -1;
    *count = (message->msg_flags & MSG_CTRUNC) ? DESCRIPTOR_LOST : 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here; i++) {
            if (*fd >= 0) close(*fd);
            memcpy(fd, CMSG_DATA(header) + i * sizeof(int), sizeof *fd);
            if (*count != DESCRIPTOR_LOST) ++*count;
        }
    }
    if (*fd < 0 || *count == 1) return;
    close(*fd);
    *fd = -1;
}

int descriptor_receive(int socket, unsigned char *byte, int *fd, int *count) {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(RIGHTS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    struct iovec vector = {byte, 1};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t received;
    do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (received < 0 && errno == EINTR);
    if (received < 0) return *fd = -1, -1;
    take_rights(&message, fd, count);
    return (int)received;
}
