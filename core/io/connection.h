/* A connection: a stream with pending input, queued output, and at most one waiter for each direction.
 * Owner: the binding's userdata, in whose memory it lives. While nothing is pending it owns no buffer, and its one
 * watcher is started only for what somebody waits for. A waiter that is woken may destroy the connection, so nothing
 * of it is touched after a wake. Its size counts: a hundred thousand of them idle is the usual case.
 * Invariant: when the stream is broken (its error is not 0) the output queue is empty. */
#ifndef PERIGEE_IO_CONNECTION_H
#define PERIGEE_IO_CONNECTION_H

#include "bytes/block.h"
#include "bytes/buffer.h"
#include "bytes/queue.h"
#include "io/loop.h"
#include "io/transport.h"
#include "io/waiter.h"

#include <stdint.h>

struct connection {
    ev_io io; /* its data is the loop */
    struct dirty dirty;
    struct stream stream;
    struct buffer *input; /* NULL while no bytes are pending */
    struct queue output;
    struct waiter *reader, *writer;
    struct fanout_member *members; /* its places in fan-outs */
    uint32_t high_water;           /* bytes of output above which a writer should wait */
    uint32_t writer_level;         /* bytes of output at which the writer is woken */
    float timeout;                 /* seconds that its owner lets an operation wait, INFINITY: for ever */
    unsigned open : 1;
    unsigned readable : 1;   /* the kernel may have bytes: the last read was not short */
    unsigned reads : 5;      /* since the loop told so */
    unsigned at_end : 1;     /* the peer has ended its side */
    unsigned unreadable : 1; /* a read has failed */
    unsigned shut : 1;       /* our side is to end when the output is sent */
    unsigned shut_done : 1;  /* our side has ended */
    unsigned retiring : 1;   /* no more is awaited from the peer than what has come: the reader's to see to */
};

enum { CONNECTION_HIGH_WATER = 256 * 1024, CONNECTION_TIMEOUT = 300 }; /* defaults: bytes, seconds */

static inline struct loop *connection_loop(const struct connection *connection) {
    return connection->io.data;
}

/* Takes the stream. */
void connection_init(struct connection *connection, struct loop *loop, struct stream stream);

/* Moves an open connection to other memory: `from` is closed after, with nothing sent or lost. Nobody waits for it. */
void connection_move(struct connection *to, struct connection *from);

/* Ends `from` without a word to the peer: its stream has another owner now. What is pending and queued goes to `to`, a
 * connection of that stream; NULL: there is nothing. Nobody waits for `from`. */
void connection_part(struct connection *from, struct connection *to);

/* Ends it: what is queued is still sent by a drain, unless the stream is broken. Wakes both waiters.
 * Nothing when it is closed already. */
void connection_close(struct connection *connection);
/* The same, but drops the output and resets a TCP peer: for cancelled and misbehaving connections. */
void connection_abort(struct connection *connection);
/* Closes our descriptor and nothing more, close(2): the stream goes on with the process that it was passed to. */
void connection_let_go(struct connection *connection);

static inline size_t connection_pending(const struct connection *connection) {
    return connection->input ? buffer_length(connection->input) : 0;
}

/* One read into the pending input. DONE: there are more bytes than before. */
enum io_status connection_fill(struct connection *connection);
/* The same, whatever the last read has told: does it make a difference to try again? */
int connection_look(struct connection *connection);
/* Open, and there is nothing to be read, neither bytes nor the end, as far as the loop has told: costs nothing. */
static inline int connection_is_quiet(const struct connection *connection) {
    return connection->open && !connection_pending(connection) && !connection->readable && !connection->at_end &&
           !connection->unreadable && !connection->stream.error;
}
/* One read straight into the caller's memory; only while no input is pending. */
enum io_status connection_receive(struct connection *connection, void *bytes, size_t room, size_t *received);
/* Bytes that come before all that will be read; only while none are pending. 0, or -1 when out of memory. */
int connection_preload(struct connection *connection, const void *bytes, size_t count);
/* Drops the first bytes of the pending input. */
void connection_consume(struct connection *connection, size_t count);
/* Takes the pending input, of which there is some, out of the connection while somebody looks at it who may end the
 * connection, and gives it back without its first `count` bytes. Nobody reads meanwhile: such a connection is aborted. */
struct buffer *connection_hold_input(struct connection *connection);
void connection_return_input(struct connection *connection, struct buffer *input, size_t count);

/* The kernel holds back what is sent, for a moment (tcp(7), TCP_CORK): so that the last of it comes with the end. */
void connection_hold_back(struct connection *connection, int holds);

/* Queue output, to be sent before the loop sleeps. 0, or -1 when out of memory with nothing queued. */
int connection_write_copy(struct connection *connection, const void *data, size_t length);
int connection_write_borrow(struct connection *connection, const void *data, size_t length, queue_release *release,
                            void *owner);
/* Queues bytes of a block, which it holds while it needs them: as more of what the last such call has queued, where they
 * follow in the block; a few are copied instead where that is cheaper. */
int connection_write_block(struct connection *connection, struct block *block, const void *data, size_t length);
int connection_write_file(struct connection *connection, int fd, off_t offset, size_t length); /* takes fd */
/* Sends what is queued, now. WAIT: the rest is sent when the kernel has room. */
enum io_status connection_flush(struct connection *connection);
/* The kernel had no room at the last try: sending goes on when it has. */
int connection_is_full(const struct connection *connection);
void connection_shutdown(struct connection *connection); /* after the output, shutdown(2) with SHUT_WR */

/* Register a waiter: woken when a read is worth trying; when at most `level` bytes of output are left; always when
 * the connection is closed or broken. */
void connection_await_input(struct connection *connection, struct waiter *reader);
void connection_await_output(struct connection *connection, struct waiter *writer, uint32_t level);
/* Woken when the kernel has room again, whatever is queued. */
void connection_await_room(struct connection *connection, struct waiter *writer);
void connection_forget(struct connection *connection, const struct waiter *waiter); /* it waits no more */

#endif
