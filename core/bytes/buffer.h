/* A receive buffer: one contiguous run of bytes, filled at its end and consumed at its start, so that parsers can
 * work in place. Header and bytes are one allocation. Owner: the connection that has bytes pending.
 * Invariant: 0 <= start <= end <= capacity. */
#ifndef PERIGEE_BYTES_BUFFER_H
#define PERIGEE_BYTES_BUFFER_H

#include <stddef.h>

struct buffer {
    size_t start, end, capacity; /* bytes */
    unsigned char bytes[];
};

/* Makes an empty buffer of memory that has room for the header and `capacity` bytes. */
struct buffer *buffer_init(void *memory, size_t capacity);
struct buffer *buffer_new(size_t capacity); /* NULL when out of memory */

static inline size_t buffer_length(const struct buffer *buffer) {
    return buffer->end - buffer->start;
}

static inline unsigned char *buffer_data(struct buffer *buffer) {
    return buffer->bytes + buffer->start;
}

void buffer_consume(struct buffer *buffer, size_t count);

/* Moves the bytes to the front. */
void buffer_compact(struct buffer *buffer);

/* The caller has made sure that there is room. */
void buffer_append(struct buffer *buffer, const void *data, size_t length);

/* Offset of `needle` from the start, searching from offset `from`; -1 when it is not there. */
ptrdiff_t buffer_find(const struct buffer *buffer, const void *needle, size_t length, size_t from);

#endif
