#include "bytes/deflate.h"

#include <assert.h>

/* A flush that finds less than seven bytes of room may write its marker twice. */
enum { LEAST_ROOM = 64 };

int deflate_memory_level(int bits) {
    return bits - 7; /* 8, zlib's default, for the widest */
}

/* Until zlib has taken its input and has no output left. */
static int run(z_stream *stream, int flush, struct text *out) {
    do {
        if (text_reserve(out, LEAST_ROOM) < 0) return -1;
        uInt room = deflate_most(out->capacity - out->length);
        stream->next_out = (Bytef *)out->bytes + out->length;
        stream->avail_out = room;
        int code = deflate(stream, flush);
        assert(code != Z_STREAM_ERROR);
        (void)code; /* Z_BUF_ERROR: there was nothing to do */
        out->length += room - stream->avail_out;
    } while (stream->avail_in || !stream->avail_out);
    return 0;
}

int deflate_append(z_stream *stream, const void *bytes, size_t length, int flush, struct text *out) {
    size_t before = out->length;
    const Bytef *at = bytes;
    do {
        uInt count = deflate_most(length);
        stream->next_in = (Bytef *)at;
        stream->avail_in = count;
        at += count;
        length -= count;
        if (run(stream, length ? Z_NO_FLUSH : flush, out) < 0) {
            out->length = before;
            return -1;
        }
    } while (length);
    return 0;
}

int deflate_undo_step(z_stream *stream, size_t limit, struct text *out) {
    size_t left = limit - out->length;
    uInt room = deflate_most(out->capacity - out->length);
    if (left < room) room = (uInt)left + 1;
    stream->next_out = (Bytef *)out->bytes + out->length;
    stream->avail_out = room;
    int code = inflate(stream, Z_SYNC_FLUSH);
    out->length += room - stream->avail_out;
    return code;
}
