#include "io/drain.h"
#include "bytes/tiny.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

struct drain {
    ev_io io;
    struct timer timer;
    struct loop *loop;
    struct stream stream;
    struct queue queue;
    struct drain *next, **link;
    double quiet; /* seconds in which something has to move */
    double quiet_until;
    double until;
    int ended; /* our side */
};

static const double QUIET_SECONDS = 5, TOTAL_SECONDS = 60;

static void drain_free(struct drain *drain) {
    struct loop *loop = drain->loop;
    ev_io_stop(loop->ev, &drain->io);
    timers_clear(&loop->timers, &drain->timer);
    queue_clear(&drain->queue, &loop->output);
    drain->stream.transport->close(&drain->stream);
    *drain->link = drain->next;
    if (drain->next) drain->next->link = drain->link;
    loop->counts.drains--;
    free(drain);
}

static double drain_deadline(const struct drain *drain) {
    return drain->quiet_until < drain->until ? drain->quiet_until : drain->until;
}

static void drain_on_timer(struct timer *timer) {
    struct drain *drain = (struct drain *)((char *)timer - offsetof(struct drain, timer));
    double deadline = drain_deadline(drain);
    if (deadline <= drain->loop->now || timers_set(&drain->loop->timers, timer, deadline) < 0) drain_free(drain);
}

/* Reads and drops; IO_WAIT while the peer may send more. */
static enum io_status drain_discard(struct drain *drain) {
    void *scratch = pool_take(&drain->loop->input);
    if (!scratch) return IO_BROKEN;
    ssize_t count = drain->stream.transport->read(&drain->stream, scratch, INPUT_BLOCK_SIZE);
    int error = errno;
    pool_give(&drain->loop->input, scratch);
    if (count > 0) drain->quiet_until = drain->loop->now + drain->quiet;
    if (count > 0 && stream_is_pending(&drain->stream)) ev_feed_event(drain->loop->ev, &drain->io, EV_READ);
    if (count > 0 || (count < 0 && error == EAGAIN)) return IO_WAIT;
    return count ? IO_BROKEN : IO_END;
}

static void drain_watch(struct drain *drain, int events) {
    ev_io_stop(drain->loop->ev, &drain->io);
    ev_io_modify(&drain->io, events);
    ev_io_start(drain->loop->ev, &drain->io);
}

static enum io_status drain_send(struct drain *drain) {
    size_t before = drain->queue.length;
    enum io_status status = stream_send(&drain->stream, &drain->queue, &drain->loop->output);
    if (drain->queue.length < before) drain->quiet_until = drain->loop->now + drain->quiet;
    if (status != IO_DONE) return status;
    int result = drain->stream.transport->shutdown(&drain->stream);
    if (result < 0 && errno == EAGAIN) return IO_WAIT;
    if (result < 0 && errno == ENOTSOCK) return IO_BROKEN; /* a pipe is ended by closing it */
    drain->ended = 1;
    drain_watch(drain, EV_READ);
    return IO_DONE;
}

static void drain_on_event(struct ev_loop *ev, ev_io *io, int events) {
    (void)ev;
    struct drain *drain = io->data;
    enum io_status status = IO_WAIT;
    if (!drain->ended && events & EV_WRITE) status = drain_send(drain);
    if (status != IO_BROKEN && events & EV_READ) status = drain_discard(drain);
    if (status == IO_BROKEN || (status == IO_END && !drain->queue.length)) drain_free(drain);
    else if (status == IO_END) drain_watch(drain, EV_WRITE); /* reading again would tell the end again */
}

/* Who reads a pipe is a process of ours: it gets all of its input, however slow it is. */
static void drain_limit(struct drain *drain) {
    struct stat status;
    int is_pipe = fstat(drain->stream.fd, &status) == 0 && S_ISFIFO(status.st_mode);
    drain->quiet = is_pipe ? INFINITY : QUIET_SECONDS;
    drain->quiet_until = drain->loop->now + drain->quiet;
    drain->until = is_pipe ? INFINITY : drain->loop->now + TOTAL_SECONDS;
}

static struct drain *drain_new(struct loop *loop, struct stream stream, struct queue queue) {
    struct drain *drain = malloc(sizeof *drain);
    if (!drain) return NULL;
    *drain = (struct drain){.loop = loop, .stream = stream, .queue = queue, .next = loop->drains};
    drain->timer.fire = drain_on_timer;
    drain_limit(drain);
    if (timers_set(&loop->timers, &drain->timer, drain_deadline(drain)) < 0) {
        free(drain);
        return NULL;
    }
    drain->link = &loop->drains;
    if (drain->next) drain->next->link = &drain->next;
    loop->drains = drain;
    loop->counts.drains++;
    return drain;
}

void drain_take(struct loop *loop, struct stream stream, struct queue queue) {
    struct drain *drain = drain_new(loop, stream, queue);
    if (!drain) {
        queue_clear(&queue, &loop->output);
        stream.transport->close(&stream);
        return;
    }
    ev_io_init(&drain->io, drain_on_event, stream.fd, EV_READ | EV_WRITE);
    drain->io.data = drain;
    ev_io_start(loop->ev, &drain->io);
    if (drain_send(drain) == IO_BROKEN) drain_free(drain);
}

unsigned drain_count_sending(const struct loop *loop) {
    unsigned count = 0;
    for (const struct drain *drain = loop->drains; drain; drain = drain->next) count += drain->queue.length > 0;
    return count;
}

void drain_stop_all(struct loop *loop) {
    while (loop->drains) drain_free(loop->drains);
}
