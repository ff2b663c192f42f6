/* What MessagePack writes in front of its strings, arrays and maps, and its numbers: each in the shortest form that
 * keeps it. They write at most MSGPACK_HEAD_MAX bytes, and return how many. */
#ifndef PERIGEE_BYTES_MSGPACK_WRITE_H
#define PERIGEE_BYTES_MSGPACK_WRITE_H

#include "bytes/msgpack.h"

#include <stddef.h>

enum { MSGPACK_HEAD_MAX = 9, MSGPACK_TIMESTAMP_MAX = 15, MSGPACK_TIMESTAMP_TYPE = -1 };

size_t msgpack_write_integer(unsigned char *to, int64_t value);
size_t msgpack_write_float(unsigned char *to, double value);

/* Of a value of this kind and of `size` bytes, values or pairs; that of an extension ends before its type. */
size_t msgpack_write_size(unsigned char *to, enum msgpack_kind kind, uint32_t size);

/* The same: most strings are short text. */
static inline size_t msgpack_write_bytes_size(unsigned char *to, enum msgpack_kind kind, uint32_t size) {
    if (kind != MSGPACK_TEXT || size >= 32) return msgpack_write_size(to, kind, size);
    to[0] = (unsigned char)(0xa0 | size);
    return 1;
}

/* The whole extension. `nanoseconds`: below 1,000,000,000. */
size_t msgpack_write_timestamp(unsigned char *to, int64_t seconds, uint32_t nanoseconds);

#endif
