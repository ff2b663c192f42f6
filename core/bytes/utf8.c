#include "bytes/utf8.h"

#include <string.h>

/* An automaton with one word for each byte: it holds, at the bit that a state's number names, the six bits of the state
 * that follows. So a step is a load and a shift, and no branch depends on the text. */
enum {
    DONE = 0, /* between characters */
    BAD = 6,
    LAST = 12, /* one more byte of 80..bf ends the character */
    TWO = 18,
    THREE = 24,
    AFTER_E0 = 30, /* the second byte has bounds of its own: a0.. (not overlong) */
    AFTER_ED = 36, /* ..9f (no surrogates) */
    AFTER_F0 = 42, /* 90.. (not overlong) */
    AFTER_F4 = 48, /* ..8f (not beyond U+10FFFF) */
    STATE = 63     /* the bits of a state */
};

#define GO(from, to) ((uint64_t)((to) ^ BAD) << (from))
/* Every state goes to BAD, but for those that a GO takes elsewhere. */
#define BADS                                                                                                           \
    (BAD * (1ull | 1ull << BAD | 1ull << LAST | 1ull << TWO | 1ull << THREE | 1ull << AFTER_E0 | 1ull << AFTER_ED |    \
            1ull << AFTER_F0 | 1ull << AFTER_F4))
#define LEAD(to) (BADS ^ GO(DONE, to))
#define MIDDLE (BADS ^ GO(LAST, DONE) ^ GO(TWO, LAST) ^ GO(THREE, TWO))

static const uint64_t steps[256] = {
    [0x00 ... 0x7f] = LEAD(DONE),
    [0x80 ... 0x8f] = MIDDLE ^ GO(AFTER_ED, LAST) ^ GO(AFTER_F4, TWO),
    [0x90 ... 0x9f] = MIDDLE ^ GO(AFTER_ED, LAST) ^ GO(AFTER_F0, TWO),
    [0xa0 ... 0xbf] = MIDDLE ^ GO(AFTER_E0, LAST) ^ GO(AFTER_F0, TWO),
    [0xc0 ... 0xc1] = BADS,
    [0xc2 ... 0xdf] = LEAD(LAST),
    [0xe0] = LEAD(AFTER_E0),
    [0xe1 ... 0xec] = LEAD(TWO),
    [0xed] = LEAD(AFTER_ED),
    [0xee ... 0xef] = LEAD(TWO),
    [0xf0] = LEAD(AFTER_F0),
    [0xf1 ... 0xf3] = LEAD(THREE),
    [0xf4] = LEAD(AFTER_F4),
    [0xf5 ... 0xff] = BADS,
};

enum { BLOCK = 16 };

static int is_ascii(const unsigned char *block) {
    uint64_t words[2];
    memcpy(words, block, sizeof words);
    return ((words[0] | words[1]) & 0x8080808080808080) == 0;
}

static uint64_t take_steps(uint64_t state, const unsigned char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) state = steps[bytes[i]] >> (state & STATE);
    return state;
}

int utf8_check(struct utf8 *utf8, const void *bytes, size_t length) {
    const unsigned char *at = bytes, *end = at + length;
    uint64_t state = utf8->state;
    for (; end - at >= BLOCK; at += BLOCK)
        if ((state & STATE) != DONE || !is_ascii(at)) state = take_steps(state, at, BLOCK);
    state = take_steps(state, at, (size_t)(end - at)) & STATE;
    utf8->state = (uint32_t)state;
    return state == BAD ? -1 : 0;
}

/* The last word overlaps the one before. */
static int is_all_ascii(const unsigned char *bytes, size_t length) {
    uint64_t bits = 0, word = 0;
    for (size_t i = 0; i + sizeof word <= length; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        bits |= word;
    }
    if (length >= sizeof word) memcpy(&word, bytes + length - sizeof word, sizeof word);
    else
        for (size_t i = 0; i < length; i++) word |= bytes[i];
    return ((bits | word) & 0x8080808080808080) == 0;
}

int utf8_is_text(const void *bytes, size_t length) {
    struct utf8 utf8 = {0};
    return is_all_ascii(bytes, length) || (utf8_check(&utf8, bytes, length) == 0 && utf8_is_complete(&utf8));
}
