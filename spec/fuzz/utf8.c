/* UTF-8 in pieces, beside a reference that asks after each byte which code points can still come of it. */
#include "bytes/utf8.h"
#include "fuzz.h"

#include <string.h>

struct reference {
    uint32_t value, least; /* the bits so far, and the lowest code point that needs this many bytes */
    int left;              /* bytes until the character is complete */
    int bad;
};

static void reference_begin(struct reference *reference, uint8_t byte) {
    int length = byte < 0x80             ? 1
                 : (byte & 0xe0) == 0xc0 ? 2
                 : (byte & 0xf0) == 0xe0 ? 3
                 : (byte & 0xf8) == 0xf0 ? 4
                                         : 0;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const uint8_t bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    reference->bad = length == 0;
    reference->left = length - 1;
    reference->least = least[length];
    reference->value = byte & bits[length];
}

static void reference_step(struct reference *reference, uint8_t byte) {
    if (reference->bad) return;
    if (reference->left == 0) {
        reference_begin(reference, byte);
    } else {
        reference->bad = (byte & 0xc0) != 0x80;
        reference->value = reference->value << 6 | (byte & 0x3f);
        reference->left--;
    }
    if (reference->bad) return;
    uint32_t lowest = reference->value << (6 * reference->left);
    uint32_t highest = lowest | ((1u << (6 * reference->left)) - 1);
    int surrogates = lowest >= 0xd800 && highest <= 0xdfff;
    reference->bad = highest < reference->least || lowest > 0x10ffff || surrogates;
}

/* In memory of just that size, so that a byte too many is seen. */
static int check_piece(struct utf8 *utf8, const uint8_t *bytes, size_t length) {
    uint8_t *piece = malloc(length);
    if (length) memcpy(piece, bytes, length);
    int result = utf8_check(utf8, piece, length);
    free(piece);
    return result;
}

/* The first byte tells the size of the pieces; 0: all at once. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    size_t most = input_byte(&input);
    const uint8_t *text = input.data;
    size_t text_size = input.size;
    struct reference reference = {0, 0, 0, 0};
    struct utf8 utf8 = {0};
    while (input.size) {
        size_t length = most && most < input.size ? most : input.size;
        for (size_t i = 0; i < length; i++) reference_step(&reference, input.data[i]);
        check(check_piece(&utf8, input.data, length) == (reference.bad ? -1 : 0));
        check(utf8_is_complete(&utf8) == (!reference.bad && reference.left == 0));
        input.data += length;
        input.size -= length;
    }
    check(utf8_is_text(text, text_size) == (!reference.bad && reference.left == 0));
    return 0;
}
