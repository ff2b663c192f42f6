/* What the fuzz targets share: the input as a stream of small decisions, and a check that stops the run. */
#ifndef PERIGEE_FUZZ_H
#define PERIGEE_FUZZ_H

#include <stdint.h>
#include <stdlib.h>

struct input {
    const uint8_t *data;
    size_t size; /* bytes left */
};

/* The next byte; 0 when there is none. */
static inline uint8_t input_byte(struct input *input) {
    if (!input->size) return 0;
    input->size--;
    return *input->data++;
}

/* A number from 0 to `max`, of at most 255. */
static inline size_t input_number(struct input *input, size_t max) {
    return input_byte(input) % ((max < 255 ? max : 255) + 1);
}

static inline void check(int holds) {
    if (!holds) abort(); /* libFuzzer shows where, and keeps the input */
}

int LLVMFuzzerInitialize(int *argc, char ***argv); /* once, where a target has it */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
