/* The memory of a Lua state. Small pieces, which are nearly all, come from slabs of one size each: without a header, so
 * that a parked coroutine takes 80 bytes less than with malloc, and faster. A slab whose pieces are all free goes back
 * to the kernel. Larger pieces come from malloc.
 * Owner: the runtime. Invariant: a slab is in its class's list while it has a free piece. */
#ifndef PERIGEE_BINDING_HEAP_H
#define PERIGEE_BINDING_HEAP_H

#include <stddef.h>

enum { HEAP_STEP = 8, HEAP_SMALL = 1024, HEAP_CLASSES = HEAP_SMALL / HEAP_STEP };

struct slab;

struct heap {
    struct slab *open[HEAP_CLASSES]; /* slabs with free pieces, by size */
    struct slab *spare;              /* empty slabs kept for the next need of any size */
    unsigned spares;
    size_t live; /* bytes that Lua holds */
    size_t most; /* that it may hold */
    /* An allocation would go beyond that, or the kernel has no memory: 1: the limit is to be forgotten this time. May be
     * NULL. Must not call Lua. */
    int (*refused)(struct heap *heap, size_t size, size_t more);
};

void heap_init(struct heap *heap);
void heap_destroy(struct heap *heap); /* after the state is closed: nothing is allocated any more */
void heap_trim(struct heap *heap);    /* gives the spare slabs back */

/* A lua_Alloc; `heap` is the heap. */
void *heap_allocate(void *heap, void *piece, size_t old_size, size_t size);

#endif
