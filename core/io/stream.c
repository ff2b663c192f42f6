/* Sending a queue over a stream, whatever its transport: for connections and for drains. */
#include "bytes/queue.h"
#include "io/transport.h"

#include <errno.h>

enum {
    VECTORS = 64,                /* segments of one writev(2) */
    FAIR_SHARE = 4 * 1024 * 1024 /* bytes one connection may send before the others have their turn */
};

static ssize_t stream_send_file(struct stream *stream, int fd, off_t offset, size_t length) {
    ssize_t sent = stream->transport->send_file(stream, fd, offset, length);
    if (sent) return sent;
    errno = ENODATA; /* the file has become shorter than what was promised of it */
    return -1;
}

static ssize_t stream_send_some(struct stream *stream, const struct queue *queue, size_t *tried) {
    struct iovec vectors[VECTORS];
    int fd;
    off_t offset;
    if (queue_peek_file(queue, &fd, &offset, tried)) return stream_send_file(stream, fd, offset, *tried);
    int count = queue_peek(queue, vectors, VECTORS);
    *tried = 0;
    for (int i = 0; i < count; i++) *tried += vectors[i].iov_len;
    return stream->transport->write(stream, vectors, count);
}

enum io_status stream_send(struct stream *stream, struct queue *queue, struct pool *pool) {
    size_t total = 0;
    while (queue->length) {
        size_t tried = 0;
        ssize_t sent = stream_send_some(stream, queue, &tried);
        if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? IO_WAIT : IO_BROKEN;
        queue_consume(queue, pool, (size_t)sent);
        total += (size_t)sent;
        if ((size_t)sent < tried || total > FAIR_SHARE) return queue->length ? IO_WAIT : IO_DONE;
    }
    return IO_DONE;
}
