/* Is a stream of bytes UTF-8 (RFC 3629: nothing overlong, no surrogates, at most U+10FFFF)? It may come in pieces, cut
 * anywhere. Owner: whoever embeds it; all zero is the start. */
#ifndef PERIGEE_BYTES_UTF8_H
#define PERIGEE_BYTES_UTF8_H

#include <stddef.h>
#include <stdint.h>

struct utf8 {
    uint32_t state; /* 0 between characters */
};

/* The next bytes of the stream: 0, or -1 when no bytes behind them could make it valid; it stays -1 from then on. */
int utf8_check(struct utf8 *utf8, const void *bytes, size_t length);

/* Is it UTF-8 as a whole? */
int utf8_is_text(const void *bytes, size_t length);

/* May the stream end here? Not within a character. */
static inline int utf8_is_complete(const struct utf8 *utf8) {
    return utf8->state == 0;
}

#endif
