/* A compressor to the gzip format (RFC 1952), for bodies of responses. Owner: whoever embeds it.
 * Invariant: what was appended to the output since the last reset is the beginning of one gzip member. */
#ifndef PERIGEE_BYTES_GZIP_H
#define PERIGEE_BYTES_GZIP_H

#include "bytes/deflate.h"

struct gzip {
    z_stream stream;
};

enum gzip_mode {
    GZIP_MORE,  /* zlib may keep some of it back */
    GZIP_FLUSH, /* what was written so far can be read */
    GZIP_FINISH /* nothing follows, but after a reset */
};

int gzip_init(struct gzip *gzip, int level); /* level: 1, fast, to 9, small. 0, or -1 when out of memory */
void gzip_destroy(struct gzip *gzip);
void gzip_reset(struct gzip *gzip); /* for the next body, with the memory that it has */

/* Appends the bytes, compressed, to `out`. 0, or -1 when out of memory: the text is as it was, the body is lost. */
int gzip_write(struct gzip *gzip, const void *bytes, size_t length, enum gzip_mode mode, struct text *out);

#endif
