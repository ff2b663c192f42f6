#include "descriptors.h"
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

ssize_t descriptors_send(int socket, int fd) {
    char byte = 1;
    union control control = {.bytes = {0}};
    struct iovec vector = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

ssize_t descriptors_receive(int socket, int *fd) {
    char byte = 0;
    union control control;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    *fd = -1;
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (got <= 0) return got;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (byte != 1 || message.msg_flags & MSG_CTRUNC || !header || header->cmsg_type != SCM_RIGHTS) {
        fprintf(stderr, "a message without its descriptor\n");
        exit(1);
    }
    memcpy(fd, CMSG_DATA(header), sizeof *fd);
    return got;
}

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        bench_fail(path);
    }
    strcpy(address.sun_path, path);
    return address;
}

int descriptors_connect(const char *path) {
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

int descriptors_listen(const char *path) {
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) bench_fail("socket");
    unlink(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) bench_fail(path);
    if (listen(fd, 16) < 0) bench_fail("listen");
    return fd;
}
