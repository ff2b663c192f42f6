#include "bytes/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct buffer *buffer_init(void *memory, size_t capacity) {
    struct buffer *buffer = memory;
    buffer->start = buffer->end = 0;
    buffer->capacity = capacity;
    return buffer;
}

struct buffer *buffer_new(size_t capacity) {
    void *memory = malloc(sizeof(struct buffer) + capacity);
    return memory ? buffer_init(memory, capacity) : NULL;
}

void buffer_consume(struct buffer *buffer, size_t count) {
    assert(count <= buffer_length(buffer));
    buffer->start += count;
    if (buffer->start == buffer->end) buffer->start = buffer->end = 0;
}

void buffer_compact(struct buffer *buffer) {
    size_t length = buffer_length(buffer);
    if (buffer->start) memmove(buffer->bytes, buffer_data(buffer), length);
    buffer->start = 0;
    buffer->end = length;
}

void buffer_append(struct buffer *buffer, const void *data, size_t length) {
    assert(length <= buffer->capacity - buffer->end);
    memcpy(buffer->bytes + buffer->end, data, length);
    buffer->end += length;
}

ptrdiff_t buffer_find(const struct buffer *buffer, const void *needle, size_t length, size_t from) {
    const unsigned char *data = buffer->bytes + buffer->start;
    size_t available = buffer_length(buffer);
    if (from >= available) return -1;
    const unsigned char *found = length == 1 ? memchr(data + from, *(const unsigned char *)needle, available - from)
                                             : memmem(data + from, available - from, needle, length);
    return found ? found - data : -1;
}
