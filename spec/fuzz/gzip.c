/* The gzip compressor: what comes out, read by zlib, is what went in; all of it after a flush and at the end; and so for
 * the next body, with the same compressor. */
#include "bytes/gzip.h"
#include "fuzz.h"

#include <string.h>

enum { BODIES = 3, BODY_MAX = 1 << 16, WITH_GZIP_HEADER = 16 };

static unsigned char body[BODY_MAX], result[BODY_MAX + 1];

/* Some bytes of the input, repeated, behind what the body has. */
static size_t add_piece(struct input *input, size_t before) {
    size_t length = input_number(input, 40), times = 1 + input_byte(input);
    if (length > input->size) length = input->size;
    size_t size = 0;
    for (; times-- && before + size + length <= BODY_MAX; size += length)
        memcpy(body + before + size, input->data, length);
    input->data += length;
    input->size -= length;
    return size;
}

static void check_read(const struct text *sent, size_t size, int whole) {
    z_stream reader = {.next_in = (Bytef *)sent->bytes, .avail_in = (uInt)sent->length};
    check(inflateInit2(&reader, DEFLATE_BITS_MAX + WITH_GZIP_HEADER) == Z_OK);
    reader.next_out = result;
    reader.avail_out = sizeof result;
    int code = inflate(&reader, Z_SYNC_FLUSH);
    check(code == (whole ? Z_STREAM_END : Z_OK) && reader.avail_in == 0);
    check(reader.total_out == size && !memcmp(result, body, size));
    inflateEnd(&reader);
}

static void write_body(struct gzip *gzip, struct input *input) {
    struct text sent = {0};
    size_t size = 0;
    enum gzip_mode mode;
    do {
        mode = (enum gzip_mode)(input->size ? input_number(input, 2) : GZIP_FINISH);
        size_t count = add_piece(input, size);
        check(gzip_write(gzip, body + size, count, mode, &sent) == 0);
        size += count;
        if (mode != GZIP_MORE) check_read(&sent, size, mode == GZIP_FINISH);
    } while (mode != GZIP_FINISH);
    text_destroy(&sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    struct gzip gzip;
    check(gzip_init(&gzip, 1 + (int)input_number(&input, 8)) == 0);
    for (int i = 0; i < BODIES && input.size; i++) {
        write_body(&gzip, &input);
        gzip_reset(&gzip);
    }
    gzip_destroy(&gzip);
    return 0;
}
