#include "bytes/content_coding.h"

#include <strings.h>

enum { WITH_GZIP_HEADER = 16 }; /* added to the bits of the window */
enum { STEP = 4096 };           /* bytes that there is room for at least, at a time */

static int is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

enum content_coding content_coding_find(const char *value, size_t length) {
    static const struct {
        const char *name;
        enum content_coding coding;
    } known[] = {{"", CODING_NONE},
                 {"identity", CODING_NONE},
                 {"gzip", CODING_GZIP},
                 {"x-gzip", CODING_GZIP},
                 {"deflate", CODING_DEFLATE}};
    while (length && is_blank(*value)) value++, length--;
    while (length && is_blank(value[length - 1])) length--;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == length && !strncasecmp(value, known[i].name, length)) return known[i].coding;
    return CODING_OTHER;
}

/* Many send deflate without zlib's two bytes around it (RFC 9110 8.4.1.2), the first of which says so. */
static int window_bits(enum content_coding coding, unsigned char first) {
    if (coding == CODING_GZIP) return DEFLATE_BITS_MAX + WITH_GZIP_HEADER;
    int is_zlib = (first & 15) == Z_DEFLATED && first >> 4 <= DEFLATE_BITS_MAX - 8;
    return is_zlib ? DEFLATE_BITS_MAX : -DEFLATE_BITS_MAX;
}

static int begin(struct content_decoder *decoder, unsigned char first) {
    if (decoder->state != DECODER_NEW) return 0;
    if (inflateInit2(&decoder->stream, window_bits(decoder->coding, first)) != Z_OK) return -1;
    decoder->state = DECODER_RUNNING;
    return 0;
}

static enum content_decoded end(struct content_decoder *decoder) {
    decoder->state = DECODER_ENDED;
    return decoder->stream.avail_in ? CONTENT_FOLLOWED : CONTENT_DECODED;
}

/* Until zlib has taken its input and has no output left. */
static enum content_decoded decode(struct content_decoder *decoder, size_t limit, struct text *out) {
    z_stream *stream = &decoder->stream;
    do {
        if (text_reserve(out, STEP) < 0) return CONTENT_NO_MEMORY;
        int code = deflate_undo_step(stream, limit, out);
        if (out->length > limit) return CONTENT_LIMIT;
        if (code == Z_STREAM_END) return end(decoder);
        if (code == Z_MEM_ERROR) return CONTENT_NO_MEMORY;
        if (code != Z_OK && code != Z_BUF_ERROR) return CONTENT_DAMAGED;
    } while (stream->avail_in || !stream->avail_out);
    return CONTENT_DECODED;
}

static enum content_decoded copy(const void *bytes, size_t length, size_t limit, struct text *out) {
    if (length > limit - out->length) return CONTENT_LIMIT;
    return text_append(out, bytes, length) < 0 ? CONTENT_NO_MEMORY : CONTENT_DECODED;
}

enum content_decoded content_decode(struct content_decoder *decoder, const void *bytes, size_t length, size_t limit,
                                    struct text *out) {
    if (!length) return CONTENT_DECODED;
    if (decoder->coding == CODING_NONE) return copy(bytes, length, limit, out);
    if (decoder->coding == CODING_OTHER) return CONTENT_UNKNOWN;
    if (decoder->state == DECODER_ENDED) return CONTENT_FOLLOWED;
    if (begin(decoder, *(const unsigned char *)bytes) < 0) return CONTENT_NO_MEMORY;
    decoder->stream.next_in = (Bytef *)bytes;
    decoder->stream.avail_in = (uInt)length;
    return decode(decoder, limit, out);
}

int content_decoder_is_whole(const struct content_decoder *decoder) {
    return decoder->state != DECODER_RUNNING;
}

void content_decoder_destroy(struct content_decoder *decoder) {
    if (decoder->state != DECODER_NEW) inflateEnd(&decoder->stream);
    *decoder = (struct content_decoder){0};
}
