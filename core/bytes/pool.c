#include "bytes/pool.h"

#include <stdlib.h>

struct pool_piece {
    struct pool_piece *next;
};

void pool_init(struct pool *pool, size_t size, unsigned keep) {
    pool->idle = NULL;
    pool->size = size < sizeof(struct pool_piece) ? sizeof(struct pool_piece) : size;
    pool->kept = 0;
    pool->keep = keep;
}

void pool_trim(struct pool *pool) {
    while (pool->idle) {
        struct pool_piece *piece = pool->idle;
        pool->idle = piece->next;
        free(piece);
    }
    pool->kept = 0;
}

void pool_destroy(struct pool *pool) {
    pool_trim(pool);
}

void *pool_take(struct pool *pool) {
    struct pool_piece *piece = pool->idle;
    if (!piece) return malloc(pool->size);
    pool->idle = piece->next;
    pool->kept--;
    return piece;
}

void pool_give(struct pool *pool, void *memory) {
    struct pool_piece *piece = memory;
    if (pool->kept >= pool->keep) {
        free(piece);
        return;
    }
    piece->next = pool->idle;
    pool->idle = piece;
    pool->kept++;
}
