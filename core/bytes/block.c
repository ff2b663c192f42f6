#include "bytes/block.h"

#include <stdlib.h>

struct block *block_new(size_t size) {
    struct block *block = malloc(sizeof *block);
    if (!block) return NULL;
    block->holders = 1;
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
