/* A pool of memory pieces of one size; the piece given back last, still warm in the cache, is taken first.
 * Owner: the loop. Invariant: at most `keep` idle pieces are held, the others go back to malloc. */
#ifndef PERIGEE_BYTES_POOL_H
#define PERIGEE_BYTES_POOL_H

#include <stddef.h>

struct pool_piece;

struct pool {
    struct pool_piece *idle;
    size_t size; /* bytes of a piece */
    unsigned kept, keep;
};

void pool_init(struct pool *pool, size_t size, unsigned keep);
void pool_destroy(struct pool *pool);
void pool_trim(struct pool *pool);  /* frees every idle piece */
void *pool_take(struct pool *pool); /* NULL when out of memory */
void pool_give(struct pool *pool, void *piece);

#endif
