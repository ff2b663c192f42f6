#include "io/handshake.h"
#include "io/drain.h"

#include <stdlib.h>

struct handshake {
    ev_io io; /* first, so that its address is the handshake's */
    struct timer timer;
    struct loop *loop;
    struct stream stream;
    struct endpoint peer;
    handshake_done *done;
    void *owner;
    struct handshake *next, **link;
};

/* Takes it apart, but for its stream. */
static void handshake_free(struct handshake *handshake) {
    struct loop *loop = handshake->loop;
    ev_io_stop(loop->ev, &handshake->io);
    timers_clear(&loop->timers, &handshake->timer);
    *handshake->link = handshake->next;
    if (handshake->next) handshake->next->link = handshake->link;
    loop->counts.handshakes--;
    free(handshake);
}

/* The callee is told last: it may end the loop's whole world. NULL: the stream is closed already. */
static void handshake_end(struct handshake *handshake, struct stream *stream, const struct tls_failure *failure) {
    struct endpoint peer = handshake->peer;
    handshake_done *done = handshake->done;
    void *owner = handshake->owner;
    handshake_free(handshake);
    done(owner, stream, &peer, failure);
}

static void handshake_succeed(struct handshake *handshake) {
    struct stream stream = handshake->stream;
    handshake_end(handshake, &stream, NULL);
}

/* The peer may be sending: a close now would be a reset, at which it might lose the alert that says why. */
static void handshake_refuse(struct handshake *handshake, const struct tls_failure *failure) {
    struct queue nothing;
    queue_init(&nothing);
    ev_io_stop(handshake->loop->ev, &handshake->io);
    tls_cancel(&handshake->stream);
    drain_take(handshake->loop, handshake->stream, nothing);
    handshake_end(handshake, NULL, failure);
}

static void handshake_watch(struct handshake *handshake, int events) {
    ev_io *io = &handshake->io;
    if (ev_is_active(io) && (io->events & (EV_READ | EV_WRITE)) == events) return;
    ev_io_stop(handshake->loop->ev, io);
    ev_io_modify(io, events);
    ev_io_start(handshake->loop->ev, io);
}

static void handshake_go_on(struct handshake *handshake) {
    struct tls_failure failure = {""};
    switch (tls_handshake(&handshake->stream, &failure)) {
    case TLS_DONE: handshake_succeed(handshake); return;
    case TLS_FAILED: handshake_refuse(handshake, &failure); return;
    case TLS_WANTS_READ: handshake_watch(handshake, EV_READ); return;
    case TLS_WANTS_WRITE: handshake_watch(handshake, EV_WRITE); return;
    }
}

static void handshake_on_event(struct ev_loop *ev, ev_io *io, int events) {
    (void)ev, (void)events;
    handshake_go_on((struct handshake *)io);
}

static void handshake_on_timer(struct timer *timer) {
    struct handshake *handshake = (struct handshake *)((char *)timer - offsetof(struct handshake, timer));
    struct tls_failure failure = {"timed out"};
    ev_io_stop(handshake->loop->ev, &handshake->io);
    handshake->stream.transport->close(&handshake->stream);
    handshake_end(handshake, NULL, &failure);
}

static void handshake_link(struct handshake *handshake) {
    struct loop *loop = handshake->loop;
    handshake->link = &loop->handshakes;
    handshake->next = loop->handshakes;
    if (handshake->next) handshake->next->link = &handshake->next;
    loop->handshakes = handshake;
    loop->counts.handshakes++;
}

static int handshake_init(struct handshake *handshake, int fd, struct tls_context *context, double seconds) {
    struct loop *loop = handshake->loop;
    stream_init_plain(&handshake->stream, fd);
    ev_io_init(&handshake->io, handshake_on_event, fd, EV_READ);
    handshake->timer.fire = handshake_on_timer;
    if (tls_start(&handshake->stream, context) < 0) return -1;
    if (timers_set(&loop->timers, &handshake->timer, loop->now + seconds) == 0) return 0;
    tls_cancel(&handshake->stream);
    return -1;
}

int handshake_start(struct loop *loop, int fd, const struct endpoint *peer, struct tls_context *context, double seconds,
                    handshake_done *done, void *owner) {
    struct handshake *handshake = malloc(sizeof *handshake);
    if (!handshake) return -1;
    *handshake = (struct handshake){.loop = loop, .peer = *peer, .done = done, .owner = owner};
    if (handshake_init(handshake, fd, context, seconds) < 0) {
        free(handshake);
        return -1;
    }
    handshake_link(handshake);
    handshake_go_on(handshake);
    return 0;
}

void handshake_drop_all(struct loop *loop) {
    while (loop->handshakes) {
        struct stream stream = loop->handshakes->stream;
        handshake_free(loop->handshakes);
        stream.transport->close(&stream);
    }
}
