/* Numbers and runs of bytes, packed one behind the other. What is unpacked may come from anywhere: every step is
 * checked against the end. Sizes are LEB128; fixed numbers are in the machine's byte order. */
#ifndef PERIGEE_BYTES_PACK_H
#define PERIGEE_BYTES_PACK_H

#include "bytes/text.h"

#include <stdint.h>

/* 0, or -1 when out of memory with the text as it was. */
int pack_byte(struct text *text, unsigned byte);
int pack_size(struct text *text, uint64_t size);
int pack_run(struct text *text, const void *bytes, size_t length); /* behind its length */

/* A place for a count that is known later: four bytes, whose offset it returns; -1 when out of memory. */
ptrdiff_t pack_count_later(struct text *text);
void pack_count_at(struct text *text, ptrdiff_t place, uint32_t count);

struct unpack {
    const unsigned char *at, *end;
};

static inline size_t unpack_left(const struct unpack *from) {
    return (size_t)(from->end - from->at);
}

int unpack_byte(struct unpack *from);                           /* -1 at the end */
int unpack_size(struct unpack *from, uint64_t *size);           /* 0; -1: cut short, or beyond 64 bits */
int unpack_count(struct unpack *from, uint32_t *count);         /* 0; -1: cut short */
int unpack_fixed(struct unpack *from, void *to, size_t length); /* 0; -1: cut short */
/* A run behind its length, in place; NULL: cut short. */
const char *unpack_run(struct unpack *from, size_t *length);

#endif
