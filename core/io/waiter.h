/* A waiter: somebody who is told once when an event comes. It is embedded in whatever waits (a task, a
 * connector, a drain); the io floor knows nothing else of it. Owner: the one who embeds it.
 * Invariant: a waiter is registered in one place at a time, and is taken off before it is told. */
#ifndef PERIGEE_IO_WAITER_H
#define PERIGEE_IO_WAITER_H

struct waiter {
    void (*wake)(struct waiter *waiter);
};

/* Takes the waiter out of *slot and wakes it. The slot's owner may be gone when this returns. */
static inline void waiter_wake(struct waiter **slot) {
    struct waiter *waiter = *slot;
    *slot = 0;
    if (waiter) waiter->wake(waiter);
}

#endif
