/* Compression of WebSocket messages (RFC 7692 7.2), by zlib. Streams are made when they are first needed; one that has
 * no context to keep goes back to the cache behind each message, so that idle sockets hold no memory of zlib's.
 * Owner: the session; the cache is the loop's, and outlives those that use it. */
#ifndef PERIGEE_BYTES_WEBSOCKET_DEFLATE_H
#define PERIGEE_BYTES_WEBSOCKET_DEFLATE_H

#include "bytes/websocket_terms.h"

struct websocket_stream;
struct websocket_deflate;

struct websocket_deflate_cache {
    struct websocket_stream *idle;
    unsigned kept, keep; /* streams: up to 300 KiB each */
    int level;           /* zlib's: 1, fast, to 9, small */
};

void websocket_deflate_cache_init(struct websocket_deflate_cache *cache, unsigned keep, int level);
void websocket_deflate_cache_trim(struct websocket_deflate_cache *cache); /* frees every idle stream */

enum websocket_role { WEBSOCKET_SERVER, WEBSOCKET_CLIENT };

/* One end of a connection that has agreed on these terms; NULL when out of memory. */
struct websocket_deflate *websocket_deflate_new(enum websocket_role role, const struct websocket_deflate_terms *terms,
                                                struct websocket_deflate_cache *cache);
void websocket_deflate_free(struct websocket_deflate *deflate);

/* Appends a whole message, compressed, to `out`: the payload of its frames. 0, or -1 when out of memory: the text is as
 * it was, and the next message can be sent nevertheless. */
int websocket_deflate_message(struct websocket_deflate *deflate, const void *bytes, size_t length, struct text *out);

enum websocket_inflated {
    WEBSOCKET_INFLATED = 0,
    WEBSOCKET_INFLATE_BROKEN = -1,    /* no valid data */
    WEBSOCKET_INFLATE_LIMIT = -2,     /* there is more than `out` may hold, which is full */
    WEBSOCKET_INFLATE_NO_MEMORY = -3, /* nothing else to blame */
};

/* Appends the next piece of a message's payload, decompressed, to `out`, which may get `limit` bytes long in all;
 * `final`: the message ends with it. All of it comes out at once. After a failure there is nothing more to read. */
enum websocket_inflated websocket_inflate_piece(struct websocket_deflate *deflate, const void *bytes, size_t length,
                                                int final, size_t limit, struct text *out);

#endif
