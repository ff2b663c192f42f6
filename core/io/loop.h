/* The event loop: libev, the clock, the timers, the pools of memory pieces, and what must be done before it sleeps.
 * One pass: poll, events, then before sleep: due timers, the scheduler's turn, and one flush of everything written.
 * Owner: the runtime, one per thread. Invariant: `now` moves only between passes or by loop_update. */
#ifndef PERIGEE_IO_LOOP_H
#define PERIGEE_IO_LOOP_H

#include "bytes/pool.h"
#include "bytes/shared.h"
#include "io/timers.h"

#include <ev.h>
#include <stdint.h>

/* Something with output to send, flushed once before the loop sleeps; embedded in it. */
struct dirty {
    struct dirty *next, **link; /* link: what points to this one; NULL while there is nothing to flush */
};

/* Those of one class that are to be flushed. The class sets `flush` when its first object is made. */
struct dirty_list {
    struct dirty *first, **end;
    void (*flush)(struct dirty *dirty);
};

struct loop {
    struct ev_loop *ev;
    double now; /* seconds, CLOCK_MONOTONIC, as of this pass */
    struct pool input, output;
    struct shared shared; /* the messages of fan-outs */
    struct timers timers;
    struct dirty_list dirty_connections, dirty_datagrams, dirty_durables;
    struct drain *drains;            /* see drain.h */
    struct child_family *family;     /* see child.h; NULL: there never was a child */
    struct handshake *handshakes;    /* see handshake.h */
    struct durable_writer *durables; /* see durable.h */
    struct incoming *incoming;       /* memory for one batch of datagrams, see datagram.c */
    int reserve;                 /* a spare descriptor, given up for a moment when none is left (see the listener) */
    int restless;                /* somebody wants another pass at once */
    void (*turn)(void *context); /* the scheduler's turn before sleep */
    void *turn_context;
    struct {
        unsigned connections, listeners, datagrams, drains, handshakes, children, durables; /* alive now */
        unsigned refused; /* clients turned away for lack of descriptors */
    } counts;
    struct {
        uint64_t accepted, requests, datagrams;
    } totals; /* since the start: clients, requests of HTTP, datagrams that were handled */
    ev_prepare prepare;
    ev_check check;
    ev_idle idle;
    ev_timer alarm;
};

int loop_init(struct loop *loop); /* 0, or -1 with errno */
void loop_destroy(struct loop *loop);
void loop_run(struct loop *loop); /* until loop_stop */
void loop_stop(struct loop *loop);

/* Reads the clock again and returns it: for waits that begin after a long computation. */
double loop_update(struct loop *loop);

/* The time of day, in seconds since 1970, as of this pass. */
static inline int64_t loop_seconds(const struct loop *loop) {
    return (int64_t)ev_now(loop->ev);
}

/* Asks for another pass without sleeping. */
static inline void loop_disturb(struct loop *loop) {
    loop->restless = 1;
}

void dirty_mark(struct dirty_list *list, struct dirty *dirty); /* to be flushed before sleep; nothing when marked */
void dirty_unmark(struct dirty_list *list, struct dirty *dirty);

/* Gives idle memory back to the system. */
void loop_trim(struct loop *loop);

#endif
