/* What the users of zlib share. Owner: the caller has the stream. */
#ifndef PERIGEE_BYTES_DEFLATE_H
#define PERIGEE_BYTES_DEFLATE_H

#include "bytes/text.h"
#include <zlib.h>

enum { DEFLATE_BITS_MIN = 9, DEFLATE_BITS_MAX = 15 }; /* of the window; zlib makes no raw stream with 8 */

/* zlib's memLevel for a window: the memory for the rest shrinks with it. */
int deflate_memory_level(int bits);

/* Compresses the bytes and appends what zlib has to say with this flush, all of it. 0, or -1 when out of memory: the
 * text is as it was, the stream is to be reset. */
int deflate_append(z_stream *stream, const void *bytes, size_t length, int flush, struct text *out);

/* One step of inflate into the room that `out` has, and into one byte more than the limit, so that an excess shows.
 * Returns zlib's code. */
int deflate_undo_step(z_stream *stream, size_t limit, struct text *out);

/* What a z_stream can take at once. */
static inline uInt deflate_most(size_t length) {
    return length < 1u << 30 ? (uInt)length : 1u << 30;
}

#endif
