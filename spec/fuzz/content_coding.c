/* The decoder of coded bodies: whatever comes, in whatever pieces, it comes to the same, and never to more than the
 * limit. */
#include "bytes/content_coding.h"
#include "fuzz.h"

static enum content_decoded decode(struct content_decoder *decoder, struct input input, size_t piece, size_t limit,
                                   struct text *out) {
    enum content_decoded result = CONTENT_DECODED;
    while (input.size && result == CONTENT_DECODED) {
        size_t length = piece < input.size ? piece : input.size;
        result = content_decode(decoder, input.data, length, limit, out);
        check(result == CONTENT_LIMIT || out->length <= limit);
        input.data += length;
        input.size -= length;
    }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"gzip", "deflate", "identity", "br"};
    struct input input = {data, size};
    const char *name = names[input_number(&input, 3)];
    size_t limit = input_number(&input, 255) << 6, piece = 1 + input_number(&input, 40);
    struct content_decoder decoders[2] = {0};
    struct text texts[2] = {0};
    decoders[0].coding = decoders[1].coding = content_coding_find(name, strlen(name));
    enum content_decoded whole = decode(&decoders[0], input, size + 1, limit, &texts[0]);
    check(whole == decode(&decoders[1], input, piece, limit, &texts[1]));
    if (whole == CONTENT_DECODED) {
        check(content_decoder_is_whole(&decoders[0]) == content_decoder_is_whole(&decoders[1]));
        check(texts[0].length == texts[1].length);
        check(!texts[0].length || !memcmp(texts[0].bytes, texts[1].bytes, texts[0].length));
    }
    for (int i = 0; i < 2; i++) {
        content_decoder_destroy(&decoders[i]);
        text_destroy(&texts[i]);
    }
    return 0;
}
