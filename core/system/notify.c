#include "system/notify.h"
#include "system/address.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int endpoint_of(struct endpoint *endpoint, const char *path) {
    struct address address = {.scheme = SCHEME_UNIX};
    size_t length = strlen(path);
    if (length == 0 || length > ADDRESS_PATH_MAX) return errno = EINVAL, -1;
    memcpy(address.path, path, length + 1);
    return endpoint_from_address(endpoint, &address);
}

int notify_send(const char *path, const char *text, size_t length) {
    struct endpoint to;
    if (endpoint_of(&to, path) < 0) return -1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    ssize_t sent = sendto(fd, text, length, MSG_NOSIGNAL, &to.as.any, to.length);
    int error = errno;
    close(fd);
    return errno = error, sent < 0 ? -1 : 0;
}
