/* A waiter: somebody who is told once when an event comes. It is embedded in whatever waits (a task, a
 * connector, a drain); the io floor knows nothing else of it. Owner: the one who embeds it.
 * Invariant: a waiter is registered in one place at a time, and is taken off before it is told. */
#ifndef PERIGEE_IO_WAITER_H
#define PERIGEE_IO_WAITER_H

enum wake {
    WAKE_NOW,  /* may go on inside of the call, and destroy what it waited for */
    WAKE_LATER /* goes on before the loop sleeps, not inside of the call: for those that wake several */
};

struct waiter {
    void (*wake)(struct waiter *waiter, enum wake when);
};

/* Takes the waiter out of *slot and wakes it. After WAKE_NOW the slot's owner may be gone. */
static inline void waiter_wake(struct waiter **slot, enum wake when) {
    struct waiter *waiter = *slot;
    *slot = 0;
    if (waiter) waiter->wake(waiter, when);
}

#endif
