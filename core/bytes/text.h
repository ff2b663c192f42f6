/* A text that grows at its end: what is being made before it goes out (a JSON document, a response head, a decoded
 * message). Owner: whoever embeds it; all zero is an empty one. Functions that add return 0, or -1 when out of memory
 * with the text as it was. */
#ifndef PERIGEE_BYTES_TEXT_H
#define PERIGEE_BYTES_TEXT_H

#include <stddef.h>
#include <string.h>

struct text {
    char *bytes;
    size_t length, capacity;
};

void text_destroy(struct text *text); /* empty again, its memory given back */

/* Makes room for `more` bytes behind the last one, at least doubling what there is. */
int text_grow(struct text *text, size_t more);

static inline int text_reserve(struct text *text, size_t more) {
    return text->capacity - text->length >= more ? 0 : text_grow(text, more);
}

static inline int text_append(struct text *text, const void *bytes, size_t length) {
    if (text_reserve(text, length) < 0) return -1;
    if (length) memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    return 0;
}

#endif
