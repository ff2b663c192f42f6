/* A parcel: values on their way to another Lua state, as bytes, and beside them the memory of buffers that move there
 * instead of being copied. Owner: whoever embeds it; all zero is an empty one.
 * Invariant: a block in it is held by the parcel alone, once parcel_seal has been called. */
#ifndef PERIGEE_BINDING_PARCEL_H
#define PERIGEE_BINDING_PARCEL_H

#include "bytes/block.h"
#include "bytes/text.h"

struct parcel_block {
    struct block *source; /* of the sender, whose memory it is until the parcel is sealed; NULL then */
    struct block *block;  /* NULL when it was taken out */
};

struct parcel {
    struct text bytes;
    struct parcel_block *blocks;
    size_t count, capacity; /* of blocks */
};

void parcel_destroy(struct parcel *parcel); /* empty again; of an unsealed one the sender keeps its memory */

/* Adds the sender's block, and writes its number: 0, or -1 when out of memory. */
int parcel_add_block(struct parcel *parcel, struct block *source, size_t *number);

/* Moves the memory out of the sender's blocks. Cannot fail. */
void parcel_seal(struct parcel *parcel);

#endif
