/* A stream is a connected descriptor and the transport that moves bytes over it: plain here, TLS beside it. A stream
 * can be handed from a connection to a drain. Owner: whoever holds it. Calls follow read(2) and write(2): a short
 * transfer is possible, -1 with errno EAGAIN means wait, other errno values mean that the stream is broken. */
#ifndef PERIGEE_IO_TRANSPORT_H
#define PERIGEE_IO_TRANSPORT_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct stream;

struct transport {
    const char *name;
    ssize_t (*read)(struct stream *stream, void *bytes, size_t room); /* 0: the peer has ended its side */
    ssize_t (*write)(struct stream *stream, const struct iovec *vectors, int count);
    ssize_t (*send_file)(struct stream *stream, int fd, off_t offset, size_t length); /* 0: the file is too short */
    int (*shutdown)(struct stream *stream);      /* ends our side; EAGAIN: to be tried again when the kernel has room */
    void (*close)(struct stream *stream);        /* without a word to the peer */
    int (*pending)(const struct stream *stream); /* bytes are held that the kernel knows nothing of; NULL: never */
};

struct stream {
    const struct transport *transport;
    void *session; /* the transport's own; NULL for plain */
    int fd;
    int error; /* the errno value that broke it, or TLS's (see tls_failure.h); 0: it is whole */
};

static inline int stream_is_pending(const struct stream *stream) {
    return stream->transport->pending && stream->transport->pending(stream);
}

enum io_status {
    IO_DONE,  /* all that was asked for */
    IO_WAIT,  /* the kernel has no bytes or no room now */
    IO_END,   /* the peer has ended its side */
    IO_BROKEN /* errno says why */
};

struct queue;
struct pool;

/* Sends from the queue until it is empty, the kernel is full or a fair share is sent: DONE, WAIT or BROKEN. */
enum io_status stream_send(struct stream *stream, struct queue *queue, struct pool *pool);

/* Takes fd, a connected non-blocking stream socket or pipe. */
void stream_init_plain(struct stream *stream, int fd);

#endif
