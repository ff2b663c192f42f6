/* Timers of one loop: a 4-ary heap ordered by time. A timer takes 16 bytes in its owner and 16 in the heap, which
 * is why these are not ev_timers: every parked connection has one. Owner of a timer: whoever embeds it.
 * Invariant: timer->slot is its place in the heap plus one, or 0 while it is not set. */
#ifndef PERIGEE_IO_TIMERS_H
#define PERIGEE_IO_TIMERS_H

#include <stddef.h>

struct timer {
    void (*fire)(struct timer *timer);
    unsigned slot;
};

struct timer_entry {
    double at; /* seconds on the loop's clock */
    struct timer *timer;
};

struct timers {
    struct timer_entry *entries;
    unsigned count, capacity;
};

void timers_init(struct timers *timers);
void timers_destroy(struct timers *timers);

static inline int timer_is_set(const struct timer *timer) {
    return timer->slot != 0;
}

/* When a set timer fires. */
static inline double timer_at(const struct timers *timers, const struct timer *timer) {
    return timers->entries[timer->slot - 1].at;
}

/* Sets or moves a timer. 0, or -1 when out of memory (the timer stays as it was). */
int timers_set(struct timers *timers, struct timer *timer, double at);
void timers_clear(struct timers *timers, struct timer *timer); /* nothing when it is not set */

void timers_trim(struct timers *timers); /* gives back room that is not needed now */

/* Fires every timer that was due at `now`; a timer that fires may set and clear any timer. */
void timers_fire(struct timers *timers, double now);

#endif
