#include "bytes/tiny.h"
#include "io/connection_private.h"
#include "io/drain.h"
#include "io/fanout.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COPY_TO = 512 }; /* bytes: copying less is cheaper than one more segment */

static struct connection *connection_of_dirty(struct dirty *dirty) {
    return (struct connection *)((char *)dirty - offsetof(struct connection, dirty));
}

static void connection_mark(struct connection *connection) {
    dirty_mark(&connection_loop(connection)->dirty_connections, &connection->dirty);
}

/* Of bytes that the transport holds the kernel does not tell. Stopping the watcher would take the event back. */
static void connection_tell_pending(struct connection *connection) {
    if (!connection->stream.transport->pending || !connection->readable || !connection->reader) return;
    if (ev_is_active(&connection->io)) ev_feed_event(connection_loop(connection)->ev, &connection->io, EV_READ);
}

/* The watcher is changed in place: libev compares with what epoll has before it makes a system call. */
static void connection_watch(struct connection *connection, int events) {
    ev_io *io = &connection->io;
    if ((io->events & (EV_READ | EV_WRITE)) == events && ev_is_active(io) == (events != 0)) return;
    ev_io_stop(connection_loop(connection)->ev, io);
    ev_io_modify(io, events);
    if (events) ev_io_start(connection_loop(connection)->ev, io);
    connection_tell_pending(connection);
}

static int connection_watched(const struct connection *connection) {
    return ev_is_active(&connection->io) ? connection->io.events & (EV_READ | EV_WRITE) : 0;
}

void connection_break(struct connection *connection, int error) {
    connection->stream.error = error;
    queue_clear(&connection->output, &connection_loop(connection)->output);
    connection_watch(connection, 0);
    connection_mark(connection);
}

static void connection_wake_both(struct connection *connection) {
    waiter_wake(&connection->reader, WAKE_LATER);
    waiter_wake(&connection->writer, WAKE_LATER);
}

/* A pipe has one side, which is ended by closing it: the loop's spare descriptor, at which all reads end, takes its
 * number. */
static void connection_end_pipe(struct connection *connection) {
    connection_watch(connection, 0);
    dup3(connection_loop(connection)->reserve, connection->stream.fd, O_CLOEXEC);
}

/* All is sent: ends our side, if that is wanted. WAIT: that needs room in the kernel. */
static enum io_status connection_sent(struct connection *connection) {
    if (!connection->shut || connection->shut_done) return IO_DONE;
    int result = connection->stream.transport->shutdown(&connection->stream);
    if (result < 0 && errno == EAGAIN) return IO_WAIT;
    if (result < 0 && errno == ENOTSOCK) connection_end_pipe(connection);
    connection->shut_done = 1;
    return IO_DONE;
}

static enum io_status connection_send(struct connection *connection) {
    if (connection->stream.error) return errno = connection->stream.error, IO_BROKEN;
    enum io_status status = stream_send(&connection->stream, &connection->output, &connection_loop(connection)->output);
    if (status == IO_BROKEN) {
        connection_break(connection, errno);
        return errno = connection->stream.error, IO_BROKEN;
    }
    if (status == IO_DONE) status = connection_sent(connection);
    int events = connection_watched(connection) & ~EV_WRITE;
    connection_watch(connection, status == IO_WAIT ? events | EV_WRITE : events);
    if (connection->members) fanout_on_sent(connection);
    return status;
}

/* A writer whose bytes have gone by this is woken before the loop sleeps: the event that it waits for may not come any
 * more. */
enum io_status connection_flush(struct connection *connection) {
    enum io_status status = connection_send(connection);
    if (connection->writer && connection->output.length <= connection->writer_level) connection_mark(connection);
    return status;
}

/* Sends, and wakes the writer whose bytes have gone. Not to be touched after. */
static void connection_on_dirty(struct dirty *dirty) {
    struct connection *connection = connection_of_dirty(dirty);
    if (connection_send(connection) == IO_BROKEN) connection_wake_both(connection);
    else if (connection->output.length <= connection->writer_level) waiter_wake(&connection->writer, WAKE_NOW);
}

/* Output first: the woken reader may end the connection. */
static void connection_on_event(struct ev_loop *ev, ev_io *io, int events) {
    (void)ev;
    struct connection *connection = (struct connection *)io; /* its first member */
    if (events & EV_WRITE) connection_mark(connection);
    if (!(events & EV_READ)) return;
    connection->readable = 1;
    connection->reads = 0;
    if (connection->reader) waiter_wake(&connection->reader, WAKE_NOW);
    else connection_watch(connection, connection_watched(connection) & ~EV_READ);
}

void connection_init(struct connection *connection, struct loop *loop, struct stream stream) {
    *connection = (struct connection){
        .stream = stream, .high_water = CONNECTION_HIGH_WATER, .timeout = CONNECTION_TIMEOUT, .open = 1};
    connection->readable = stream_is_pending(&stream) != 0;
    loop->dirty_connections.flush = connection_on_dirty;
    queue_init(&connection->output);
    ev_io_init(&connection->io, connection_on_event, stream.fd, 0);
    connection->io.data = loop;
    loop->counts.connections++;
}

void connection_move(struct connection *to, struct connection *from) {
    struct loop *loop = connection_loop(from);
    int events = connection_watched(from), marked = from->dirty.link != NULL;
    assert(!from->members);
    connection_watch(from, 0);
    dirty_unmark(&loop->dirty_connections, &from->dirty);
    *to = *from;
    from->stream.fd = -1;
    from->open = 0;
    from->input = NULL;
    queue_init(&from->output);
    ev_io_init(&to->io, connection_on_event, to->stream.fd, 0);
    to->io.data = loop;
    connection_watch(to, events);
    if (marked) connection_mark(to);
}

void connection_part(struct connection *from, struct connection *to) {
    struct loop *loop = connection_loop(from);
    assert(!from->members && (to || (!from->input && !from->output.length)));
    connection_watch(from, 0);
    dirty_unmark(&loop->dirty_connections, &from->dirty);
    if (to) {
        to->input = from->input;
        to->output = from->output;
        to->shut = from->shut;
        to->shut_done = from->shut_done;
        if (to->output.length || to->shut) connection_mark(to);
    }
    from->stream.fd = -1;
    from->open = 0;
    from->input = NULL;
    queue_init(&from->output);
    loop->counts.connections--;
}

/* A session's end is told to the peer; a plain stream's is told by close(2). */
static enum io_status connection_say_end(struct connection *connection) {
    if (!connection->stream.session) return IO_DONE;
    connection->shut = 1;
    return connection_sent(connection);
}

/* A close with unread bytes in the kernel would be a reset, and so would one that crosses a request: the answers before
 * it might be lost. Then a drain reads them first. */
static int connection_needs_drain(struct connection *connection) {
    int unread = 0;
    if (connection->stream.error) return 0;
    if (connection->output.length || (connection->retiring && !connection->at_end)) return 1;
    if (connection_say_end(connection) == IO_WAIT) return 1;
    return !connection->at_end && ioctl(connection->stream.fd, FIONREAD, &unread) == 0 && unread > 0;
}

static void connection_end(struct connection *connection, int drains) {
    struct loop *loop = connection_loop(connection);
    connection_watch(connection, 0);
    dirty_unmark(&loop->dirty_connections, &connection->dirty);
    if (drains) {
        drain_take(loop, connection->stream, connection->output);
        queue_init(&connection->output);
    } else {
        queue_clear(&connection->output, &loop->output);
        connection->stream.transport->close(&connection->stream);
    }
    fanout_leave_all(connection);
    connection->stream.fd = -1;
    connection->open = 0;
    connection_drop_input(connection);
    loop->counts.connections--;
    connection_wake_both(connection);
}

void connection_close(struct connection *connection) {
    if (connection->open) connection_end(connection, connection_needs_drain(connection));
}

void connection_abort(struct connection *connection) {
    if (!connection->open) return;
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection->stream.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    connection_end(connection, 0);
}

void connection_let_go(struct connection *connection) {
    if (connection->open) connection_end(connection, 0);
}

void connection_hold_back(struct connection *connection, int holds) {
    if (connection->open) setsockopt(connection->stream.fd, IPPROTO_TCP, TCP_CORK, &holds, sizeof holds);
}

int connection_is_full(const struct connection *connection) {
    return (connection_watched(connection) & EV_WRITE) != 0;
}

/* While the kernel is full the watcher tells when to go on; trying before would be a wasted system call. */
static void connection_want_flush(struct connection *connection) {
    if (!connection_is_full(connection)) connection_mark(connection);
}

int connection_write_copy(struct connection *connection, const void *data, size_t length) {
    if (queue_copy(&connection->output, &connection_loop(connection)->output, data, length) < 0) return -1;
    connection_want_flush(connection);
    return 0;
}

int connection_write_borrow(struct connection *connection, const void *data, size_t length, queue_release *release,
                            void *owner) {
    if (queue_borrow(&connection->output, data, length, release, owner) < 0) return -1;
    connection_want_flush(connection);
    return 0;
}

static void release_block(void *owner) {
    block_drop(owner);
}

/* Few bytes are copied where there is room; and behind few others that are borrowed, since for each such a run a whole
 * block would be kept, which may hold hardly anything else that is for this peer. */
static int connection_may_copy(const struct connection *connection, size_t length) {
    const struct queue *output = &connection->output;
    return (length <= COPY_TO && queue_has_room(output, length)) ||
           (length <= OUTPUT_BLOCK_SIZE && queue_ends_short(output));
}

int connection_write_block(struct connection *connection, struct block *block, const void *data, size_t length) {
    struct queue *output = &connection->output;
    if (queue_extend(output, data, length, block)) return connection_want_flush(connection), 0;
    if (connection_may_copy(connection, length)) return connection_write_copy(connection, data, length);
    if (connection_write_borrow(connection, data, length, release_block, block) < 0) return -1;
    block_hold(block);
    return 0;
}

int connection_write_file(struct connection *connection, int fd, off_t offset, size_t length) {
    if (queue_take_file(&connection->output, fd, close, offset, length) < 0) return -1;
    connection_want_flush(connection);
    return 0;
}

void connection_shutdown(struct connection *connection) {
    connection->shut = 1;
    connection_want_flush(connection);
}

void connection_await_input(struct connection *connection, struct waiter *reader) {
    connection->reader = reader;
    connection_shrink_input(connection);
    connection_watch(connection, connection_watched(connection) | EV_READ);
    connection_tell_pending(connection);
}

void connection_await_output(struct connection *connection, struct waiter *writer, uint32_t level) {
    connection->writer = writer;
    connection->writer_level = level;
    connection_want_flush(connection);
}

void connection_await_room(struct connection *connection, struct waiter *writer) {
    connection->writer = writer;
    connection->writer_level = UINT32_MAX;
    connection_watch(connection, connection_watched(connection) | EV_WRITE);
}

void connection_forget(struct connection *connection, const struct waiter *waiter) {
    if (connection->reader == waiter) connection->reader = NULL;
    if (connection->writer == waiter) connection->writer = NULL;
}
