/* Which bytes HTTP/1 allows where: one table for all of its grammars (RFC 9110 5.6.2, RFC 3986). Nothing owns it. */
#ifndef PERIGEE_BYTES_HTTP_CHARS_H
#define PERIGEE_BYTES_HTTP_CHARS_H

#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_TOKEN = 1,
    HTTP_TARGET = 2, /* of a request's target: visible, but no '#' */
    HTTP_PATH = 4,   /* of its path as it stands: no '?', and no '%', which needs a look */
    HTTP_HOST = 8,   /* of a host's name as it stands */
    HTTP_HEX = 16,
    HTTP_DIGIT = 32,
    HTTP_VALUE = 64,  /* of a field's value, within a line */
    HTTP_QUOTED = 128 /* of a quoted string as it stands */
};

extern const uint8_t http_chars[256];

static inline int http_char_is(char byte, unsigned classes) {
    return (http_chars[(unsigned char)byte] & classes) != 0;
}

/* Past the bytes of some classes. The caller knows that another byte follows, such as a line's CR. */
static inline const char *http_skip(const char *at, unsigned classes) {
    while (http_char_is(*at, classes)) at++;
    return at;
}

static inline char http_lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

/* Compared without case. `lower` has small letters and hyphens, and the bytes are no control bytes: those that are
 * alike but for bit 5 are the same. */
static inline int http_is_word(const char *bytes, const char *lower, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((bytes[i] | 0x20) != lower[i]) return 0;
    return 1;
}

#endif
