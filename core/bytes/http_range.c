#include "bytes/http_range.h"

#include <string.h>

struct cursor {
    const char *at, *end;
};

static int is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

/* Is this byte next? Then it is passed. */
static int take(struct cursor *cursor, char byte) {
    if (cursor->at == cursor->end || *cursor->at != byte) return 0;
    cursor->at++;
    return 1;
}

static void skip_space(struct cursor *cursor) {
    while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\t')) cursor->at++;
}

/* To the next element of a list: 0 at its end, -1 when something else than a comma is in between. */
static int next_element(struct cursor *cursor, int is_first) {
    skip_space(cursor);
    if (cursor->at == cursor->end) return 0;
    if (!is_first && !take(cursor, ',')) return -1;
    do skip_space(cursor);
    while (take(cursor, ','));
    return cursor->at < cursor->end;
}

/* Digits, if there are any: a number that is too large becomes the largest, which no size has. */
static int take_number(struct cursor *cursor, uint64_t *number) {
    const char *start = cursor->at;
    for (*number = 0; cursor->at < cursor->end && is_digit(*cursor->at); cursor->at++) {
        if (__builtin_mul_overflow(*number, 10, number)) *number = UINT64_MAX;
        if (__builtin_add_overflow(*number, *cursor->at - '0', number)) *number = UINT64_MAX;
    }
    return cursor->at > start;
}

/* One of "5-9", "5-" and "-9": 0, or -1 when malformed. What cannot be had is empty. */
static int take_range(struct cursor *cursor, uint64_t size, struct http_range *range) {
    uint64_t first, last;
    int has_first = take_number(cursor, &first);
    if (!take(cursor, '-')) return -1;
    int has_last = take_number(cursor, &last);
    if (!has_first && !has_last) return -1;
    if (has_first && has_last && last < first) return -1;
    if (!has_first) first = last < size ? size - last : 0;
    if (!has_first || !has_last || last >= size) last = size - 1;
    *range = (struct http_range){first, first < size ? last - first + 1 : 0};
    return 0;
}

static int take_unit(struct cursor *cursor) {
    static const char unit[] = "bytes=";
    if ((size_t)(cursor->end - cursor->at) < strlen(unit) || strncasecmp(cursor->at, unit, strlen(unit)) != 0) return 0;
    cursor->at += strlen(unit);
    return 1;
}

int http_range_parse(const char *bytes, size_t length, uint64_t size, struct http_range *ranges, int max) {
    struct cursor cursor = {bytes, bytes + length};
    int count = 0, total = 0, more;
    if (!size || !take_unit(&cursor)) return -1;
    while ((more = next_element(&cursor, !total)) > 0) {
        struct http_range range;
        if (take_range(&cursor, size, &range) < 0) return -1;
        total++;
        if (!range.length) continue;
        if (count == max) return -1;
        ranges[count++] = range;
    }
    return more < 0 || !total ? -1 : count;
}

struct etag {
    const char *opaque; /* with its quotes */
    size_t length;
    int is_weak;
};

/* Any byte but controls, space and the quote. */
static int is_etag_byte(char byte) {
    return (unsigned char)byte > ' ' && byte != '"' && byte != 0x7f;
}

static int take_etag(struct cursor *cursor, struct etag *etag) {
    etag->is_weak = take(cursor, 'W');
    if (etag->is_weak && !take(cursor, '/')) return 0;
    etag->opaque = cursor->at;
    if (!take(cursor, '"')) return 0;
    while (cursor->at < cursor->end && is_etag_byte(*cursor->at)) cursor->at++;
    if (!take(cursor, '"')) return 0;
    etag->length = (size_t)(cursor->at - etag->opaque);
    return 1;
}

static int etag_equals(const struct etag *a, const struct etag *b, int weak) {
    if (!weak && (a->is_weak || b->is_weak)) return 0;
    return a->length == b->length && memcmp(a->opaque, b->opaque, a->length) == 0;
}

int http_etag_list_has(const char *list, size_t length, const char *etag, size_t etag_length, int weak) {
    struct cursor cursor = {list, list + length}, own = {etag, etag + etag_length};
    struct etag wanted, other;
    int found = 0, is_first = 1, more;
    if (length == 1 && *list == '*') return 1;
    if (!take_etag(&own, &wanted) || own.at != own.end) return 0;
    for (; (more = next_element(&cursor, is_first)) > 0; is_first = 0) {
        if (!take_etag(&cursor, &other)) return 0;
        found |= etag_equals(&wanted, &other, weak);
    }
    return more == 0 && found;
}
