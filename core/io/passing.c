#include "io/passing.h"
#include "system/descriptor.h"

#include <assert.h>
#include <errno.h>

enum io_status passing_send(struct connection *connection, int fd) {
    assert(!connection->output.length);
    if (connection->stream.error) return errno = connection->stream.error, IO_BROKEN;
    if (descriptor_send(connection->stream.fd, fd) == 0) return IO_DONE;
    return errno == EAGAIN || errno == EWOULDBLOCK ? IO_WAIT : IO_BROKEN;
}

enum io_status passing_receive(struct connection *connection, struct passed *passed) {
    assert(!connection_pending(connection));
    passed->fd = -1;
    if (connection->unreadable) return errno = connection->stream.error, IO_BROKEN;
    if (connection->at_end) return IO_END;
    if (!connection->readable && !connection->stream.error) return IO_WAIT;
    int received = descriptor_receive(connection->stream.fd, &passed->byte, &passed->fd, &passed->count);
    if (received > 0) return IO_DONE;
    connection->readable = 0;
    if (received == 0) return connection->at_end = 1, IO_END;
    return errno == EAGAIN || errno == EWOULDBLOCK ? IO_WAIT : IO_BROKEN;
}
