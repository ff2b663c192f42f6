#include "bytes/block.h"

#include <stdlib.h>

struct block *block_new_empty(void) {
    struct block *block = calloc(1, sizeof *block);
    if (block) block->holders = 1;
    return block;
}

void block_move(struct block *to, struct block *from) {
    to->data = from->data;
    to->size = from->size;
    from->data = NULL;
    from->size = 0;
}

struct block *block_new(size_t size) {
    struct block *block = block_new_empty();
    if (!block) return NULL;
    block->size = size;
    block->data = calloc(size ? size : 1, 1); /* pages of a large calloc cost nothing until they are touched */
    if (!block->data) {
        free(block);
        return NULL;
    }
    return block;
}

struct block *block_hold(struct block *block) {
    block->holders++;
    return block;
}

void block_drop(struct block *block) {
    if (--block->holders) return;
    free(block->data);
    free(block);
}
