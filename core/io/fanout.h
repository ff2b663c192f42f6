/* A fan-out: one message to many connections. It is encoded once for each form that members take (a WebSocket frame, a
 * chunk with an event, a line ...), and every output queue shares it. A member that is too slow is treated by policy.
 * Owner: whoever embeds it; a member's memory is the fan-out's, until it leaves or its connection is closed.
 * Invariant: `slow` counts the members that are marked so, `forms` the members of each form. */
#ifndef PERIGEE_IO_FANOUT_H
#define PERIGEE_IO_FANOUT_H

#include "bytes/block.h"
#include "io/connection.h"

enum fanout_policy {
    FANOUT_DROP,  /* a slow member misses messages */
    FANOUT_CLOSE, /* it is cut off */
    FANOUT_WAIT   /* writers should wait until nobody is slow */
};

enum { FANOUT_FORMS = 8 };

struct fanout {
    struct fanout_member *members;
    unsigned count, slow;
    unsigned forms[FANOUT_FORMS];
    uint32_t limit; /* bytes of output from which a member is slow */
    enum fanout_policy policy;
    uint64_t dropped, closed;               /* messages missed, members cut off */
    void (*drained)(struct fanout *fanout); /* nobody is slow any more */
};

struct fanout_member {
    struct fanout *fanout;
    struct connection *connection;
    struct fanout_member *next, **link;             /* in the fan-out */
    struct fanout_member *next_place, **place_link; /* of the same connection */
    uint8_t form;
    unsigned slow : 1;
    unsigned owned : 1; /* the connection ends with the fan-out: nobody else uses it */
};

/* Joins with a form; nothing when it is a member already. 0, or -1 when out of memory. */
int fanout_join(struct fanout *fanout, struct connection *connection, uint8_t form, int owned);
void fanout_leave(struct fanout *fanout, struct connection *connection); /* nothing when it is no member */
void fanout_leave_all(struct connection *connection);
/* Everybody leaves; owned connections are closed. */
void fanout_clear(struct fanout *fanout);

/* Queues for each member the block of its form; a form that no member has may be NULL. Returns how many got it. */
unsigned fanout_send(struct fanout *fanout, struct block *const blocks[FANOUT_FORMS]);

/* The connection has sent some of its output. */
void fanout_on_sent(struct connection *connection);

#endif
