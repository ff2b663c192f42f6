/* A drain finishes a closed connection in the background: it sends what is queued, ends our side, and reads and drops
 * what the peer still sends, so that the close is not a reset that destroys the last bytes on their way (RFC 9112 9.6).
 * Owner: itself; it lasts until the peer is done, nothing has moved for 5 s, or 60 s are over. A pipe's lasts until all
 * is sent, or its reader has gone. */
#ifndef PERIGEE_IO_DRAIN_H
#define PERIGEE_IO_DRAIN_H

#include "bytes/queue.h"
#include "io/loop.h"
#include "io/transport.h"

/* Takes stream and queue, also when it fails for lack of memory (then both are dropped at once). */
void drain_take(struct loop *loop, struct stream stream, struct queue queue);
unsigned drain_count_sending(const struct loop *loop); /* drains with bytes left to send */
void drain_stop_all(struct loop *loop);                /* closes every drain at once */

#endif
