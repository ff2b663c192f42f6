/* The plain transport: bytes as the kernel moves them. */
#include "bytes/tiny.h"
#include "io/transport.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t at_most(size_t length, size_t limit) {
    return length < limit ? length : limit;
}

static ssize_t plain_read(struct stream *stream, void *bytes, size_t room) {
    ssize_t count;
    do count = read(stream->fd, bytes, at_most(room, READ_LIMIT));
    while (count < 0 && errno == EINTR);
    return count;
}

static ssize_t plain_write(struct stream *stream, const struct iovec *vectors, int count) {
    ssize_t written;
    do {
        int single = count == 1 || vectors[0].iov_len >= WRITE_LIMIT;
        written = single ? write(stream->fd, vectors[0].iov_base, at_most(vectors[0].iov_len, WRITE_LIMIT))
                         : writev(stream->fd, vectors, WRITE_LIMIT < 64 ? 1 : count);
    } while (written < 0 && errno == EINTR);
    return written;
}

static ssize_t plain_send_file(struct stream *stream, int fd, off_t offset, size_t length) {
    ssize_t sent;
    do sent = sendfile(stream->fd, fd, &offset, at_most(length, WRITE_LIMIT));
    while (sent < 0 && errno == EINTR);
    return sent;
}

static int plain_shutdown(struct stream *stream) {
    return shutdown(stream->fd, SHUT_WR);
}

static void plain_close(struct stream *stream) {
    close(stream->fd);
    stream->fd = -1;
}

static const struct transport plain = {
    .name = "plain",
    .read = plain_read,
    .write = plain_write,
    .send_file = plain_send_file,
    .shutdown = plain_shutdown,
    .close = plain_close,
};

void stream_init_plain(struct stream *stream, int fd) {
    stream->transport = &plain;
    stream->session = NULL;
    stream->fd = fd;
    stream->error = 0;
}
