#include "binding/parcel.h"

#include <stdlib.h>

void parcel_destroy(struct parcel *parcel) {
    for (size_t i = 0; i < parcel->count; i++)
        if (parcel->blocks[i].block) block_drop(parcel->blocks[i].block);
    free(parcel->blocks);
    text_destroy(&parcel->bytes);
    *parcel = (struct parcel){0};
}

static int parcel_grow(struct parcel *parcel) {
    if (parcel->count < parcel->capacity) return 0;
    size_t capacity = parcel->capacity ? parcel->capacity * 2 : 4;
    struct parcel_block *larger = realloc(parcel->blocks, capacity * sizeof *larger);
    if (!larger) return -1;
    parcel->blocks = larger;
    parcel->capacity = capacity;
    return 0;
}

int parcel_add_block(struct parcel *parcel, struct block *source, size_t *number) {
    struct block *block = parcel_grow(parcel) < 0 ? NULL : block_new_empty();
    if (!block) return -1;
    *number = parcel->count++;
    parcel->blocks[*number] = (struct parcel_block){source, block};
    return 0;
}

void parcel_seal(struct parcel *parcel) {
    for (size_t i = 0; i < parcel->count; i++) {
        block_move(parcel->blocks[i].block, parcel->blocks[i].source);
        parcel->blocks[i].source = NULL;
    }
}
