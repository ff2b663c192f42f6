#include "bytes/websocket_deflate.h"
#include "bytes/deflate.h"

#include <assert.h>
#include <stdlib.h>

enum direction { DEFLATING, INFLATING };

struct websocket_stream {
    z_stream stream;
    struct websocket_stream *next; /* in the cache */
    enum direction direction;
    int bits;
    int pending; /* of an inflating one: bytes have come since the message began, or a block said that it was last */
};

struct websocket_deflate {
    struct websocket_deflate_cache *cache;
    struct websocket_stream *streams[2]; /* by direction; NULL: not in use */
    uint8_t bits[2];
    uint8_t keeps[2]; /* the context, from message to message */
};

/* What a flush ends with, and a message leaves out (RFC 7692 7.2.1): length zero, and its complement. */
enum { TAIL_SIZE = 4 };
static const unsigned char tail[TAIL_SIZE] = {0x00, 0x00, 0xff, 0xff};

void websocket_deflate_cache_init(struct websocket_deflate_cache *cache, unsigned keep, int level) {
    *cache = (struct websocket_deflate_cache){.keep = keep, .level = level};
}

static int stream_init(struct websocket_stream *stream, enum direction direction, int bits, int level) {
    memset(stream, 0, sizeof *stream);
    stream->direction = direction;
    stream->bits = bits;
    /* Negative bits: a raw stream. */
    int code = direction == INFLATING ? inflateInit2(&stream->stream, -bits)
                                      : deflateInit2(&stream->stream, level, Z_DEFLATED, -bits,
                                                     deflate_memory_level(bits), Z_DEFAULT_STRATEGY);
    return code == Z_OK ? 0 : -1;
}

static struct websocket_stream *stream_new(enum direction direction, int bits, int level) {
    struct websocket_stream *stream = malloc(sizeof *stream);
    if (stream && stream_init(stream, direction, bits, level) == 0) return stream;
    free(stream);
    return NULL;
}

static void stream_free(struct websocket_stream *stream) {
    if (stream->direction == INFLATING) inflateEnd(&stream->stream);
    else deflateEnd(&stream->stream);
    free(stream);
}

static void stream_reset(struct websocket_stream *stream) {
    if (stream->direction == INFLATING) inflateReset(&stream->stream);
    else deflateReset(&stream->stream);
    stream->pending = 0;
}

void websocket_deflate_cache_trim(struct websocket_deflate_cache *cache) {
    while (cache->idle) {
        struct websocket_stream *stream = cache->idle;
        cache->idle = stream->next;
        stream_free(stream);
    }
    cache->kept = 0;
}

static struct websocket_stream *cache_take(struct websocket_deflate_cache *cache, enum direction direction, int bits) {
    struct websocket_stream **at = &cache->idle;
    while (*at && ((*at)->direction != direction || (*at)->bits != bits)) at = &(*at)->next;
    struct websocket_stream *stream = *at;
    if (!stream) return stream_new(direction, bits, cache->level);
    *at = stream->next;
    cache->kept--;
    return stream;
}

static void cache_give(struct websocket_deflate_cache *cache, struct websocket_stream *stream) {
    if (cache->kept == cache->keep) {
        stream_free(stream);
        return;
    }
    stream_reset(stream);
    stream->next = cache->idle;
    cache->idle = stream;
    cache->kept++;
}

struct websocket_deflate *websocket_deflate_new(enum websocket_role role, const struct websocket_deflate_terms *terms,
                                                struct websocket_deflate_cache *cache) {
    struct websocket_deflate *deflate = malloc(sizeof *deflate);
    if (!deflate) return NULL;
    enum direction server = role == WEBSOCKET_SERVER ? DEFLATING : INFLATING; /* what the server sends */
    *deflate = (struct websocket_deflate){.cache = cache};
    deflate->bits[server] = terms->server_bits;
    deflate->bits[!server] = terms->client_bits;
    deflate->keeps[server] = !terms->server_no_context;
    deflate->keeps[!server] = !terms->client_no_context;
    /* zlib's compressors took 8 bits for 9 until 1.2.9: what they make is read as well. */
    if (deflate->bits[INFLATING] < DEFLATE_BITS_MIN) deflate->bits[INFLATING] = DEFLATE_BITS_MIN;
    assert(deflate->bits[DEFLATING] >= DEFLATE_BITS_MIN);
    return deflate;
}

static struct websocket_stream *use_stream(struct websocket_deflate *deflate, enum direction direction) {
    struct websocket_stream **at = &deflate->streams[direction];
    if (!*at) *at = cache_take(deflate->cache, direction, deflate->bits[direction]);
    return *at;
}

static void drop_stream(struct websocket_deflate *deflate, enum direction direction) {
    if (deflate->streams[direction]) cache_give(deflate->cache, deflate->streams[direction]);
    deflate->streams[direction] = NULL;
}

void websocket_deflate_free(struct websocket_deflate *deflate) {
    if (!deflate) return;
    drop_stream(deflate, DEFLATING);
    drop_stream(deflate, INFLATING);
    free(deflate);
}

int websocket_deflate_message(struct websocket_deflate *deflate, const void *bytes, size_t length, struct text *out) {
    if (!length)
        return text_append(out, "", 1); /* zlib does not flush nothing twice; a 0 is nothing (RFC 7692 7.2.3.6) */
    struct websocket_stream *stream = use_stream(deflate, DEFLATING);
    if (!stream) return -1;
    int result = deflate_append(&stream->stream, bytes, length, Z_SYNC_FLUSH, out);
    if (result == 0) {
        out->length -= TAIL_SIZE;
        assert(memcmp(out->bytes + out->length, tail, TAIL_SIZE) == 0);
    }
    /* A context that the peer has not seen is of no use: a new one refers to nothing before it. */
    if (result < 0 || !deflate->keeps[DEFLATING]) drop_stream(deflate, DEFLATING);
    return result;
}

/* Until zlib has taken its input and has no output left. A block may say that it is the last one; others follow. */
static enum websocket_inflated inflate_input(struct websocket_stream *stream, size_t limit, struct text *out) {
    z_stream *z = &stream->stream;
    do {
        if (text_reserve(out, 1) < 0) return WEBSOCKET_INFLATE_NO_MEMORY;
        int code = deflate_undo_step(z, limit, out);
        if (out->length > limit) return WEBSOCKET_INFLATE_LIMIT;
        if (code == Z_MEM_ERROR) return WEBSOCKET_INFLATE_NO_MEMORY;
        if (code == Z_STREAM_END) inflateResetKeep(z); /* "keep": the window, of which what follows may make use */
        else if (code != Z_OK && code != Z_BUF_ERROR) return WEBSOCKET_INFLATE_BROKEN;
        if (code != Z_BUF_ERROR) stream->pending = code != Z_STREAM_END;
    } while (z->avail_in || !z->avail_out);
    return WEBSOCKET_INFLATED;
}

static enum websocket_inflated inflate_bytes(struct websocket_stream *stream, const unsigned char *bytes, size_t length,
                                             size_t limit, struct text *out) {
    enum websocket_inflated result = WEBSOCKET_INFLATED;
    while (length && result == WEBSOCKET_INFLATED) {
        uInt count = deflate_most(length);
        stream->stream.next_in = (Bytef *)bytes;
        stream->stream.avail_in = count;
        bytes += count;
        length -= count;
        result = inflate_input(stream, limit, out);
    }
    return result;
}

/* The message's end: zlib waits for the tail. Without a pending block (an empty payload, or a last block that nothing
 * followed) peers are not quite right, but there is no doubt about what they mean. */
static enum websocket_inflated inflate_end(struct websocket_stream *stream, size_t limit, struct text *out) {
    if (!stream->pending) return WEBSOCKET_INFLATED;
    if (!inflateSyncPoint(&stream->stream)) return WEBSOCKET_INFLATE_BROKEN;
    enum websocket_inflated result = inflate_bytes(stream, tail, TAIL_SIZE, limit, out);
    stream->pending = 0;
    return result;
}

enum websocket_inflated websocket_inflate_piece(struct websocket_deflate *deflate, const void *bytes, size_t length,
                                                int final, size_t limit, struct text *out) {
    assert(out->length <= limit);
    struct websocket_stream *stream = use_stream(deflate, INFLATING);
    if (!stream) return WEBSOCKET_INFLATE_NO_MEMORY;
    enum websocket_inflated result = inflate_bytes(stream, bytes, length, limit, out);
    if (result == WEBSOCKET_INFLATED && final) result = inflate_end(stream, limit, out);
    if (result == WEBSOCKET_INFLATE_LIMIT) out->length = limit;
    if (result != WEBSOCKET_INFLATED || (final && !deflate->keeps[INFLATING])) drop_stream(deflate, INFLATING);
    return result;
}
