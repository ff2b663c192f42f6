/* What a connection has received and nobody has consumed yet. */
#include "bytes/tiny.h"
#include "io/connection_private.h"
#include "io/tls_failure.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { FAIR_READS = 16 }; /* since the loop told that there is something to read */

void connection_drop_input(struct connection *connection) {
    struct buffer *input = connection->input;
    connection->input = NULL;
    if (!input) return;
    if (input->capacity == INPUT_BLOCK_SIZE) pool_give(&connection_loop(connection)->input, input);
    else free(input);
}

static struct buffer *connection_new_input(struct connection *connection, size_t capacity) {
    if (capacity != INPUT_BLOCK_SIZE) return buffer_new(capacity);
    void *memory = pool_take(&connection_loop(connection)->input);
    return memory ? buffer_init(memory, capacity) : NULL;
}

int connection_preload(struct connection *connection, const void *bytes, size_t count) {
    assert(!connection->input);
    if (!count) return 0;
    connection->input = connection_new_input(connection, count > INPUT_BLOCK_SIZE ? count : INPUT_BLOCK_SIZE);
    if (!connection->input) return -1;
    buffer_append(connection->input, bytes, count);
    return 0;
}

/* Makes room for one read. The pending input grows by doubling, as bytes really come; at least a piece of the
 * pool. */
static struct buffer *connection_make_room(struct connection *connection) {
    struct buffer *input = connection->input;
    if (!input) return connection->input = connection_new_input(connection, INPUT_BLOCK_SIZE);
    if (input->capacity >= INPUT_BLOCK_SIZE) {
        if (input->end == input->capacity && input->start >= input->capacity / 2) buffer_compact(input);
        if (input->end < input->capacity) return input;
    }
    size_t doubled = buffer_length(input) * 2;
    struct buffer *larger = connection_new_input(connection, doubled > INPUT_BLOCK_SIZE ? doubled : INPUT_BLOCK_SIZE);
    if (!larger) return NULL;
    buffer_append(larger, buffer_data(input), buffer_length(input));
    connection_drop_input(connection);
    return connection->input = larger;
}

/* One that sends without a pause does not keep the others from their turn: after some reads it is waited for, until the
 * loop tells again that there is more. */
static int connection_may_read(const struct connection *connection) {
    return connection->stream.error || (connection->readable && connection->reads < FAIR_READS);
}

/* When it was a write that broke the stream, what the peer sent before its end can still be read. */
static enum io_status connection_read(struct connection *connection, void *bytes, size_t room, size_t *received) {
    *received = 0;
    if (connection->unreadable) return errno = connection->stream.error, IO_BROKEN;
    if (connection->at_end) return IO_END;
    if (!connection_may_read(connection)) return IO_WAIT;
    ssize_t count = connection->stream.transport->read(&connection->stream, bytes, room);
    if (count > 0) {
        connection->readable = (size_t)count == room || room > READ_LIMIT || stream_is_pending(&connection->stream);
        if (connection->reads < FAIR_READS) connection->reads++;
        *received = (size_t)count;
        return IO_DONE;
    }
    connection->readable = 0;
    if (count == 0) return connection->at_end = 1, IO_END;
    if (!connection->stream.error && (errno == EAGAIN || errno == EWOULDBLOCK)) return IO_WAIT;
    connection->unreadable = 1;
    if (!connection->stream.error) connection_break(connection, errno);
    else if (tls_is_error(errno)) connection->stream.error = errno; /* an alert says more than the reset behind it */
    return errno = connection->stream.error, IO_BROKEN;
}

enum io_status connection_fill(struct connection *connection) {
    if (!connection_may_read(connection) && !connection->at_end) return IO_WAIT;
    struct buffer *input = connection_make_room(connection);
    if (!input) return errno = ENOMEM, IO_BROKEN;
    size_t received;
    enum io_status status =
        connection_read(connection, input->bytes + input->end, input->capacity - input->end, &received);
    input->end += received;
    if (!buffer_length(input)) connection_drop_input(connection);
    return status;
}

int connection_look(struct connection *connection) {
    connection->readable = 1;
    connection->reads = 0;
    return connection_fill(connection) != IO_WAIT;
}

enum io_status connection_receive(struct connection *connection, void *bytes, size_t room, size_t *received) {
    return connection_read(connection, bytes, room, received);
}

void connection_consume(struct connection *connection, size_t count) {
    if (!count) return;
    buffer_consume(connection->input, count);
    if (!buffer_length(connection->input)) connection_drop_input(connection);
}

struct buffer *connection_hold_input(struct connection *connection) {
    struct buffer *input = connection->input;
    connection->input = NULL;
    return input;
}

void connection_return_input(struct connection *connection, struct buffer *input, size_t count) {
    int is_wanted = connection->open && !connection->input;
    if (connection->open && connection->input) connection_abort(connection); /* bytes would change their order */
    connection->input = input;
    buffer_consume(input, count);
    if (!is_wanted || !buffer_length(input)) connection_drop_input(connection);
}

void connection_shrink_input(struct connection *connection) {
    struct buffer *input = connection->input;
    if (!input || input->capacity < INPUT_BLOCK_SIZE || buffer_length(input) > input->capacity / 4) return;
    struct buffer *small = buffer_new(buffer_length(input));
    if (!small) return;
    buffer_append(small, buffer_data(input), buffer_length(input));
    connection_drop_input(connection);
    connection->input = small;
}
