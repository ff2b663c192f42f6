#include "bytes/text.h"

#include <stdint.h>
#include <stdlib.h>

enum { SMALLEST = 256 };

void text_destroy(struct text *text) {
    free(text->bytes);
    *text = (struct text){0};
}

int text_grow(struct text *text, size_t more) {
    if (more > SIZE_MAX / 2 - text->length) return -1;
    size_t needed = text->length + more, capacity = text->capacity ? text->capacity * 2 : SMALLEST;
    if (capacity < needed) capacity = needed;
    char *larger = realloc(text->bytes, capacity);
    if (!larger) return -1;
    text->bytes = larger;
    text->capacity = capacity;
    return 0;
}
