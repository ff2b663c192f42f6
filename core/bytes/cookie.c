#include "bytes/cookie.h"

#include <string.h>

static int is_space(char byte) {
    return byte == ' ' || byte == '\t';
}

static struct span span_trim(const char *start, const char *stop) {
    while (start < stop && is_space(*start)) start++;
    while (start < stop && is_space(stop[-1])) stop--;
    return (struct span){start, (size_t)(stop - start)};
}

static struct span span_unquote(struct span span) {
    if (span.length < 2 || span.bytes[0] != '"' || span.bytes[span.length - 1] != '"') return span;
    return (struct span){span.bytes + 1, span.length - 2};
}

static int cookie_split(struct cookie *cookie, const char *start, const char *stop) {
    const char *equals = memchr(start, '=', (size_t)(stop - start));
    if (!equals) return 0;
    cookie->name = span_trim(start, equals);
    cookie->value = span_unquote(span_trim(equals + 1, stop));
    return cookie->name.length > 0;
}

int cookie_next(const char *bytes, size_t length, size_t *position, struct cookie *cookie) {
    while (*position < length) {
        const char *at = bytes + *position, *stop = memchr(at, ';', length - *position);
        *position = stop ? (size_t)(stop - bytes) + 1 : length;
        if (cookie_split(cookie, at, stop ? stop : bytes + length)) return 1;
    }
    return 0;
}
