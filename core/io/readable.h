/* A descriptor that somebody waits for until it can be read: for what the kernel tells by one and that is no stream.
 * Owner: whoever embeds it, also of the descriptor. */
#ifndef PERIGEE_IO_READABLE_H
#define PERIGEE_IO_READABLE_H

#include "io/loop.h"
#include "io/waiter.h"

struct readable {
    ev_io io;
    struct loop *loop;
    struct waiter *waiter; /* NULL: nobody waits, and nothing is watched */
};

void readable_init(struct readable *readable, struct loop *loop, int fd);
void readable_await(struct readable *readable, struct waiter *waiter); /* nobody may be waiting */
void readable_forget(struct readable *readable);                       /* whoever waits is not told */
void readable_give_up(struct readable *readable);                      /* whoever waits is told: before a close */

#endif
