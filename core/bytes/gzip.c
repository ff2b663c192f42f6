#include "bytes/gzip.h"

#include <string.h>

enum { WITH_GZIP_HEADER = 16 }; /* added to the bits of the window */

int gzip_init(struct gzip *gzip, int level) {
    memset(gzip, 0, sizeof *gzip);
    int code = deflateInit2(&gzip->stream, level, Z_DEFLATED, DEFLATE_BITS_MAX + WITH_GZIP_HEADER,
                            deflate_memory_level(DEFLATE_BITS_MAX), Z_DEFAULT_STRATEGY);
    return code == Z_OK ? 0 : -1;
}

void gzip_destroy(struct gzip *gzip) {
    deflateEnd(&gzip->stream);
}

void gzip_reset(struct gzip *gzip) {
    deflateReset(&gzip->stream);
}

int gzip_write(struct gzip *gzip, const void *bytes, size_t length, enum gzip_mode mode, struct text *out) {
    static const int flushes[] = {[GZIP_MORE] = Z_NO_FLUSH, [GZIP_FLUSH] = Z_SYNC_FLUSH, [GZIP_FINISH] = Z_FINISH};
    return deflate_append(&gzip->stream, bytes, length, flushes[mode], out);
}
