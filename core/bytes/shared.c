#include "bytes/shared.h"
#include "bytes/tiny.h"

#include <assert.h>
#include <string.h>

size_t shared_max(void) {
    return SHARED_BLOCK_SIZE / 4;
}

void shared_drop(struct shared *shared) {
    if (shared->block) block_drop(shared->block);
    *shared = (struct shared){0};
}

/* A block that nobody else holds any more is filled anew: it is in the processor's cache. */
static int shared_make_room(struct shared *shared, size_t length) {
    if (shared->block && shared->block->holders == 1) shared->used = 0;
    if (shared->block && shared->block->size - shared->used >= length) return 0;
    struct block *fresh = block_new(SHARED_BLOCK_SIZE);
    if (!fresh) return -1;
    shared_drop(shared);
    shared->block = fresh;
    return 0;
}

const unsigned char *shared_put(struct shared *shared, const void *bytes, size_t length) {
    assert(length <= shared_max());
    if (shared_make_room(shared, length) < 0) return NULL;
    unsigned char *to = shared->block->data + shared->used;
    if (length) memcpy(to, bytes, length);
    shared->used += length;
    return to;
}
