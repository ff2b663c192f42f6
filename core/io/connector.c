#include "io/connector.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <unistd.h>

/* Seconds. RFC 8305 5: the Connection Attempt Delay. */
static const double next_delay = 0.25;
/* A Unix socket with a full backlog answers EAGAIN at once and offers nothing to wait for, connect(2). */
static const double again_delay = 0.01;

struct attempt {
    ev_io io; /* first, so that its address is the attempt's; active while the connect(2) is in progress */
    struct endpoint endpoint;
};

struct connector {
    struct ev_loop *ev;
    ev_timer timer; /* until the next attempt; runs while there is one to make or the outcome is to be told */
    struct socket_options options;
    connector_done *done;
    void *context;
    int error; /* of the last failure */
    size_t count;
    size_t next;    /* attempts[next] is to be made next */
    size_t waiting; /* attempts in progress */
    struct attempt attempts[];
};

static void connector_schedule(struct connector *connector, double delay) {
    ev_timer_stop(connector->ev, &connector->timer);
    ev_timer_set(&connector->timer, delay, 0.);
    ev_timer_start(connector->ev, &connector->timer);
}

static void attempt_stop(struct connector *connector, struct attempt *attempt) {
    ev_io_stop(connector->ev, &attempt->io);
    connector->waiting--;
}

void connector_cancel(struct connector *connector) {
    ev_timer_stop(connector->ev, &connector->timer);
    for (size_t i = 0; i < connector->next; i++) {
        struct attempt *attempt = &connector->attempts[i];
        if (!ev_is_active(&attempt->io)) continue;
        attempt_stop(connector, attempt);
        close(attempt->io.fd);
    }
    free(connector);
}

/* Everything is gone before the callee hears of it, so it may start over or stop the loop. */
static void connector_finish(struct connector *connector, int fd, const struct endpoint *peer) {
    connector_done *done = connector->done;
    void *context = connector->context;
    int error = fd < 0 ? connector->error : 0;
    struct endpoint copy = {0};
    if (peer) copy = *peer;
    connector_cancel(connector);
    done(context, fd, peer ? &copy : NULL, error);
}

/* As connect(2) would block, this tries the last endpoint again until it is cancelled. */
static int is_busy(const struct connector *connector, const struct attempt *attempt) {
    if (connector->error != EAGAIN || attempt->endpoint.as.any.sa_family != AF_UNIX) return 0;
    return connector->next + 1 == connector->count;
}

/* A connect(2) that succeeds at once is writable in the next pass, like one that takes its time. */
static void attempt_start(struct connector *connector) {
    struct attempt *attempt = &connector->attempts[connector->next];
    int fd = socket_connect(&attempt->endpoint, &connector->options);
    if (fd < 0) {
        connector->error = errno;
        int busy = is_busy(connector, attempt);
        if (!busy) connector->next++;
        connector_schedule(connector, busy ? again_delay : 0.);
        return;
    }
    connector->next++;
    connector->waiting++;
    ev_io_set(&attempt->io, fd, EV_WRITE);
    ev_io_start(connector->ev, &attempt->io);
    if (connector->next < connector->count) connector_schedule(connector, next_delay);
}

/* At a failure, or when the last attempt has not answered in time. */
static void connector_advance(struct connector *connector) {
    if (connector->next < connector->count) attempt_start(connector);
    else if (!connector->waiting) connector_finish(connector, -1, NULL);
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events) {
    (void)ev, (void)events;
    connector_advance(timer->data);
}

static void on_writable(struct ev_loop *ev, ev_io *io, int events) {
    struct connector *connector = io->data;
    struct attempt *attempt = (struct attempt *)io;
    int error = socket_connect_result(io->fd);
    (void)ev, (void)events;
    attempt_stop(connector, attempt);
    if (!error) {
        connector_finish(connector, io->fd, &attempt->endpoint);
        return;
    }
    connector->error = error;
    close(io->fd);
    connector_advance(connector);
}

static void attempt_init(struct connector *connector, struct attempt *attempt, const struct endpoint *endpoint) {
    ev_init(&attempt->io, on_writable);
    attempt->io.data = connector;
    attempt->endpoint = *endpoint;
}

struct connector *connector_start(struct ev_loop *ev, const struct endpoint *endpoints, size_t count,
                                  const struct socket_options *options, connector_done *done, void *context) {
    struct connector *connector = calloc(1, sizeof *connector + count * sizeof *connector->attempts);
    if (!connector) return NULL;
    connector->ev = ev;
    connector->options = *options;
    connector->done = done;
    connector->context = context;
    connector->count = count;
    connector->error = EDESTADDRREQ; /* the outcome of an empty list */
    ev_init(&connector->timer, on_timer);
    connector->timer.data = connector;
    for (size_t i = 0; i < count; i++) attempt_init(connector, &connector->attempts[i], &endpoints[i]);
    if (count) attempt_start(connector);
    else connector_schedule(connector, 0.);
    return connector;
}
