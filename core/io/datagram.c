#include "io/datagram.h"
#include "system/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct outgoing {
    struct outgoing *next;
    size_t length;
    struct endpoint peer; /* length 0: the connected peer */
    char bytes[];
};

static void datagram_watch(struct datagram *datagram, int events) {
    ev_io *io = &datagram->io;
    if ((io->events & (EV_READ | EV_WRITE)) == events && ev_is_active(io) == (events != 0)) return;
    ev_io_stop(datagram->loop->ev, io);
    ev_io_modify(io, events);
    if (events) ev_io_start(datagram->loop->ev, io);
}

static int datagram_watched(const struct datagram *datagram) {
    return ev_is_active(&datagram->io) ? datagram->io.events & (EV_READ | EV_WRITE) : 0;
}

static void datagram_drop_first(struct datagram *datagram, unsigned count) {
    while (count--) {
        struct outgoing *first = datagram->head;
        datagram->head = first->next;
        if (!datagram->head) datagram->tail = &datagram->head;
        datagram->queued--;
        free(first);
    }
}

static unsigned datagram_fill_messages(const struct datagram *datagram, struct mmsghdr *messages,
                                       struct iovec *vectors) {
    unsigned count = 0;
    memset(messages, 0, DATAGRAM_BATCH * sizeof *messages);
    for (struct outgoing *o = datagram->head; o && count < DATAGRAM_BATCH; o = o->next, count++) {
        vectors[count] = (struct iovec){o->bytes, o->length};
        struct msghdr *header = &messages[count].msg_hdr;
        header->msg_iov = &vectors[count];
        header->msg_iovlen = 1;
        header->msg_name = o->peer.length ? &o->peer.as.any : NULL;
        header->msg_namelen = o->peer.length;
    }
    return count;
}

/* Sends batches until nothing is left (DONE) or the kernel is full (WAIT). A datagram that cannot be sent is
 * dropped and its error kept for the next sender; the others still go. */
static enum io_status datagram_flush(struct datagram *datagram) {
    struct mmsghdr messages[DATAGRAM_BATCH];
    struct iovec vectors[DATAGRAM_BATCH];
    while (datagram->head) {
        unsigned count = datagram_fill_messages(datagram, messages, vectors);
        int sent = sendmmsg(datagram->io.fd, messages, count, MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) return IO_WAIT;
        if (sent < 0) datagram->error = errno;
        datagram_drop_first(datagram, sent < 0 ? 1 : (unsigned)sent);
    }
    return IO_DONE;
}

static void datagram_on_dirty(struct dirty *dirty) {
    struct datagram *datagram = (struct datagram *)((char *)dirty - offsetof(struct datagram, dirty));
    int events = datagram_watched(datagram) & ~EV_WRITE;
    datagram_watch(datagram, datagram_flush(datagram) == IO_WAIT ? events | EV_WRITE : events);
    if (datagram->queued < DATAGRAM_QUEUE_MAX / 2) waiter_wake(&datagram->writer, WAKE_NOW);
}

static void datagram_on_event(struct ev_loop *ev, ev_io *io, int events) {
    (void)ev;
    struct datagram *datagram = io->data;
    if (events & EV_WRITE) dirty_mark(&datagram->loop->dirty_datagrams, &datagram->dirty);
    if (!(events & EV_READ)) return;
    datagram->readable = 1;
    if (!datagram->reader) datagram_watch(datagram, datagram_watched(datagram) & ~EV_READ);
    waiter_wake(&datagram->reader, WAKE_NOW);
}

void datagram_init(struct datagram *datagram, struct loop *loop, int fd) {
    *datagram = (struct datagram){.loop = loop, .tail = &datagram->head, .open = 1, .readable = 1};
    loop->dirty_datagrams.flush = datagram_on_dirty;
    ev_io_init(&datagram->io, datagram_on_event, fd, 0);
    datagram->io.data = datagram;
    struct endpoint local;
    datagram->family = socket_local(fd, &local) == 0 ? local.as.any.sa_family : AF_INET;
    loop->counts.datagrams++;
}

void datagram_close(struct datagram *datagram) {
    if (!datagram->open) return;
    datagram_flush(datagram);
    datagram_drop_first(datagram, datagram->queued);
    datagram_watch(datagram, 0);
    dirty_unmark(&datagram->loop->dirty_datagrams, &datagram->dirty);
    close(datagram->io.fd);
    datagram->open = 0;
    datagram->loop->counts.datagrams--;
    waiter_wake(&datagram->reader, WAKE_LATER);
    waiter_wake(&datagram->writer, WAKE_LATER);
}

static enum io_status datagram_received(struct datagram *datagram, ssize_t count) {
    if (count >= 0) return IO_DONE;
    datagram->readable = errno != EAGAIN && errno != EWOULDBLOCK;
    return datagram->readable ? IO_BROKEN : IO_WAIT;
}

struct incoming {
    struct mmsghdr messages[DATAGRAM_BATCH];
    struct iovec vectors[DATAGRAM_BATCH];
    struct endpoint peers[DATAGRAM_BATCH];
    char bytes[DATAGRAM_BATCH][DATAGRAM_MAX + 1];
};

static void incoming_prepare(struct incoming *incoming) {
    memset(incoming->messages, 0, sizeof incoming->messages);
    for (int i = 0; i < DATAGRAM_BATCH; i++) {
        incoming->vectors[i] = (struct iovec){incoming->bytes[i], DATAGRAM_MAX};
        struct msghdr *header = &incoming->messages[i].msg_hdr;
        header->msg_iov = &incoming->vectors[i];
        header->msg_iovlen = 1;
        header->msg_name = &incoming->peers[i].as.any;
        header->msg_namelen = sizeof incoming->peers[i].as;
    }
}

static void incoming_deliver(struct incoming *incoming, int count, datagram_each *each, void *context) {
    for (int i = 0; i < count; i++) {
        incoming->peers[i].length = incoming->messages[i].msg_hdr.msg_namelen;
        if (!each(context, incoming->bytes[i], incoming->messages[i].msg_len, &incoming->peers[i])) return;
    }
}

/* 2 MiB, of which only the pages that are touched cost memory; NULL when out of memory. */
static struct incoming *loop_incoming(struct loop *loop) {
    if (!loop->incoming) loop->incoming = malloc(sizeof *loop->incoming);
    return loop->incoming;
}

enum io_status datagram_receive(struct datagram *datagram, const char **bytes, size_t *length, struct endpoint *peer) {
    if (!datagram->readable) return IO_WAIT;
    struct incoming *incoming = loop_incoming(datagram->loop);
    if (!incoming) return errno = ENOMEM, IO_BROKEN;
    ssize_t count;
    do {
        peer->length = sizeof peer->as;
        count = recvfrom(datagram->io.fd, incoming->bytes[0], DATAGRAM_MAX, MSG_DONTWAIT, &peer->as.any, &peer->length);
    } while (count < 0 && errno == EINTR);
    *bytes = incoming->bytes[0];
    *length = count > 0 ? (size_t)count : 0;
    return datagram_received(datagram, count);
}

enum io_status datagram_receive_batch(struct datagram *datagram, unsigned limit, datagram_each *each, void *context) {
    if (limit > DATAGRAM_BATCH) limit = DATAGRAM_BATCH;
    if (!datagram->readable) return IO_WAIT;
    struct incoming *incoming = loop_incoming(datagram->loop);
    if (!incoming) return errno = ENOMEM, IO_BROKEN;
    datagram->loop->incoming = NULL; /* `each` may come back here for another socket */
    incoming_prepare(incoming);
    int count;
    do count = recvmmsg(datagram->io.fd, incoming->messages, limit, MSG_DONTWAIT, NULL);
    while (count < 0 && errno == EINTR);
    enum io_status status = datagram_received(datagram, count);
    if (count > 0 && (unsigned)count < limit) datagram->readable = 0;
    struct loop *loop = datagram->loop;
    int error = errno;
    incoming_deliver(incoming, count, each, context); /* may destroy the socket */
    if (loop->incoming) free(incoming);
    else loop->incoming = incoming;
    return errno = error, status;
}

static struct outgoing *outgoing_new(const void *bytes, size_t length, const struct endpoint *peer) {
    struct outgoing *outgoing = malloc(sizeof *outgoing + length);
    if (!outgoing) return NULL;
    outgoing->next = NULL;
    outgoing->length = length;
    outgoing->peer.length = peer ? peer->length : 0;
    if (peer) memcpy(&outgoing->peer.as, &peer->as, peer->length);
    memcpy(outgoing->bytes, bytes, length);
    return outgoing;
}

int datagram_send(struct datagram *datagram, const void *bytes, size_t length, const struct endpoint *peer) {
    if (datagram->error) {
        errno = datagram->error;
        datagram->error = 0;
        return -1;
    }
    if (length > (datagram->family == AF_INET ? DATAGRAM_MAX_V4 : DATAGRAM_MAX)) return errno = EMSGSIZE, -1;
    struct outgoing *outgoing = outgoing_new(bytes, length, peer);
    if (!outgoing) return errno = ENOMEM, -1;
    *datagram->tail = outgoing;
    datagram->tail = &outgoing->next;
    datagram->queued++;
    if (!(datagram_watched(datagram) & EV_WRITE)) dirty_mark(&datagram->loop->dirty_datagrams, &datagram->dirty);
    return 0;
}

void datagram_await_input(struct datagram *datagram, struct waiter *reader) {
    datagram->reader = reader;
    datagram_watch(datagram, datagram_watched(datagram) | EV_READ);
}

void datagram_await_output(struct datagram *datagram, struct waiter *writer) {
    datagram->writer = writer;
    if (!(datagram_watched(datagram) & EV_WRITE)) dirty_mark(&datagram->loop->dirty_datagrams, &datagram->dirty);
}

void datagram_forget(struct datagram *datagram, const struct waiter *waiter) {
    if (datagram->reader == waiter) datagram->reader = NULL;
    if (datagram->writer == waiter) datagram->writer = NULL;
}
