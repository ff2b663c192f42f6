/* Memory for messages to many, one put behind the other: what goes to the same readers in turn is one run of bytes, which
 * all their output queues refer to. Owner: the loop; a queue that refers to some of it holds the block. All zero is an
 * empty one. Invariant: bytes that were put do not change while anybody but the owner holds their block. */
#ifndef PERIGEE_BYTES_SHARED_H
#define PERIGEE_BYTES_SHARED_H

#include "bytes/block.h"

struct shared {
    struct block *block; /* the one that is being filled; NULL: none */
    size_t used;         /* bytes of it */
};

/* The most that may be put at once: so that little of a block is left unused. */
size_t shared_max(void);

/* Puts up to shared_max() bytes: they are in shared->block. NULL when out of memory. */
const unsigned char *shared_put(struct shared *shared, const void *bytes, size_t length);

void shared_drop(struct shared *shared); /* empty again; what others hold stays */

#endif
