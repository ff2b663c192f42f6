/* What both ways of JSON look for in a string: the next byte that is not plain ASCII text, and whole UTF-8 characters.
 * Sixteen bytes at a time where there is SSE2. Nothing behind `end` is read. */
#ifndef PERIGEE_BYTES_JSON_SCAN_H
#define PERIGEE_BYTES_JSON_SCAN_H

#include <stddef.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

/* A quote, a backslash, a control or a byte of 0x80 and above. */
static inline int json_is_special(unsigned char byte) {
    return byte == '"' || byte == '\\' || (signed char)byte < ' ';
}

/* The first special byte, or `end`. */
static inline const unsigned char *json_scan(const unsigned char *at, const unsigned char *end) {
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    for (; end - at >= 16; at += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash));
        /* signed: what is not ASCII is below a space as well */
        int mask = _mm_movemask_epi8(_mm_or_si128(marks, _mm_cmplt_epi8(block, space)));
        if (mask) return at + __builtin_ctz((unsigned)mask);
    }
#endif
    while (at < end && !json_is_special(*at)) at++;
    return at;
}

/* Bytes of the character at `at`, which is not ASCII; 0: it is no UTF-8 (overlong, a surrogate, cut off ...). */
static inline size_t json_utf8_length(const unsigned char *at, const unsigned char *end) {
    size_t length = *at < 0xc2 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : *at < 0xf5 ? 4 : 0;
    if (!length || (size_t)(end - at) < length) return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xf0 && at[1] < 0x90)) return 0; /* overlong */
    if ((*at == 0xed && at[1] > 0x9f) || (*at == 0xf4 && at[1] > 0x8f)) return 0; /* surrogates, beyond U+10FFFF */
    return length;
}

/* The first quote, backslash or control, or what is no UTF-8 (a byte of 0x80 and above then), or `end`. */
static inline const unsigned char *json_scan_text(const unsigned char *at, const unsigned char *end) {
    while ((at = json_scan(at, end)) < end && *at >= 0x80) {
        while (at < end && *at >= 0x80) {
            size_t length = json_utf8_length(at, end);
            if (!length) return at;
            at += length;
        }
    }
    return at;
}

#endif
