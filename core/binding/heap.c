#include "binding/heap.h"
#include "system/pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB_SIZE = 64 * 1024, SPARES_KEPT = 32 };

struct piece {
    struct piece *next;
};

struct slab {
    struct slab *next, **link; /* in the list of open slabs of its class; link NULL: full */
    struct piece *free;
    uint32_t used;    /* pieces handed out */
    uint32_t touched; /* pieces ever handed out: those behind are not in memory yet */
    uint32_t count, size;
    char *pieces;
};

static unsigned heap_class(size_t size) {
    return (unsigned)((size + HEAP_STEP - 1) / HEAP_STEP) - 1;
}

static void slab_link(struct slab **list, struct slab *slab) {
    slab->next = *list;
    slab->link = list;
    if (slab->next) slab->next->link = &slab->next;
    *list = slab;
}

static void slab_unlink(struct slab *slab) {
    *slab->link = slab->next;
    if (slab->next) slab->next->link = slab->link;
    slab->link = NULL;
}

void heap_init(struct heap *heap) {
    memset(heap, 0, sizeof *heap);
    heap->most = SIZE_MAX;
}

void heap_trim(struct heap *heap) {
    while (heap->spare) {
        struct slab *slab = heap->spare;
        heap->spare = slab->next;
        pages_give(slab, SLAB_SIZE);
    }
    heap->spares = 0;
}

void heap_destroy(struct heap *heap) {
    heap_trim(heap);
}

static struct slab *heap_new_slab(struct heap *heap, unsigned class) {
    struct slab *slab = heap->spare;
    if (slab) {
        heap->spare = slab->next;
        heap->spares--;
    } else if (!(slab = pages_take(SLAB_SIZE))) {
        return NULL;
    }
    size_t header = (sizeof *slab + HEAP_STEP - 1) / HEAP_STEP * HEAP_STEP;
    *slab = (struct slab){.size = (class + 1) * HEAP_STEP};
    slab->count = (uint32_t)((SLAB_SIZE - header) / slab->size);
    slab->pieces = (char *)slab + header;
    slab_link(&heap->open[class], slab);
    return slab;
}

static void *heap_take_small(struct heap *heap, size_t size) {
    unsigned class = heap_class(size);
    struct slab *slab = heap->open[class];
    if (!slab && !(slab = heap_new_slab(heap, class))) return NULL;
    struct piece *piece = slab->free;
    if (piece) slab->free = piece->next;
    else piece = (struct piece *)(slab->pieces + (size_t)slab->touched++ * slab->size);
    if (++slab->used == slab->count) slab_unlink(slab);
    return piece;
}

static void heap_give_back_slab(struct heap *heap, struct slab *slab) {
    slab_unlink(slab);
    if (heap->spares >= SPARES_KEPT) {
        pages_give(slab, SLAB_SIZE);
        return;
    }
    slab->next = heap->spare;
    heap->spare = slab;
    heap->spares++;
}

static void heap_give_small(struct heap *heap, void *memory) {
    struct slab *slab = (struct slab *)((uintptr_t)memory & ~(uintptr_t)(SLAB_SIZE - 1));
    struct piece *piece = memory;
    piece->next = slab->free;
    slab->free = piece;
    if (!slab->link) slab_link(&heap->open[slab->size / HEAP_STEP - 1], slab);
    if (--slab->used == 0) heap_give_back_slab(heap, slab);
}

static void heap_give(struct heap *heap, void *piece, size_t size) {
    if (!piece) return;
    if (size <= HEAP_SMALL) heap_give_small(heap, piece);
    else free(piece);
}

/* Between the two kinds, or between two sizes of the small kind: a new piece and a copy. */
static void *heap_move(struct heap *heap, void *piece, size_t old_size, size_t size) {
    void *moved = size <= HEAP_SMALL ? heap_take_small(heap, size) : malloc(size);
    if (!moved) return NULL;
    memcpy(moved, piece, old_size < size ? old_size : size);
    heap_give(heap, piece, old_size);
    return moved;
}

static void *heap_resize(struct heap *heap, void *piece, size_t old_size, size_t size) {
    if (size == 0) return heap_give(heap, piece, old_size), NULL;
    if (!piece) return size <= HEAP_SMALL ? heap_take_small(heap, size) : malloc(size);
    if (old_size > HEAP_SMALL && size > HEAP_SMALL) return realloc(piece, size);
    if (old_size <= HEAP_SMALL && size <= HEAP_SMALL && heap_class(old_size) == heap_class(size)) return piece;
    return heap_move(heap, piece, old_size, size);
}

static int heap_refuse(struct heap *heap, size_t size, size_t more) {
    return heap->refused && heap->refused(heap, size, more);
}

void *heap_allocate(void *context, void *piece, size_t old_size, size_t size) {
    struct heap *heap = context;
    size_t before = piece ? old_size : 0; /* for a new piece old_size is its kind */
    if (size > before && heap->live + (size - before) > heap->most && !heap_refuse(heap, size, size - before))
        return NULL;
    void *moved = heap_resize(heap, piece, old_size, size);
    if (moved || size == 0) heap->live += size - before;
    else heap_refuse(heap, size, size > before ? size - before : 0);
    return moved;
}
