/* A block: memory with a count of its holders. Lua's buffers and their views share one; an output queue holds it
 * while bytes of it wait for the kernel. Owner: its holders together; the last block_drop frees it.
 * Invariant: data and size do not change while the block lives, but for block_move, which leaves no data. Not for use
 * from several threads. */
#ifndef PERIGEE_BYTES_BLOCK_H
#define PERIGEE_BYTES_BLOCK_H

#include <stddef.h>

struct block {
    size_t holders;
    size_t size; /* bytes */
    unsigned char *data;
};

struct block *block_new(size_t size); /* zeroed, held once; NULL when out of memory */
struct block *block_hold(struct block *block);
void block_drop(struct block *block);

/* One without data, held once, for block_move to fill; NULL when out of memory. */
struct block *block_new_empty(void);
/* Moves the memory of `from` into the empty block: data of `from`, which still has its holders, is NULL then. */
void block_move(struct block *to, struct block *from);

#endif
