#include "bytes/msgpack.h"

#include <stdio.h>

enum { SHORT = 32 /* bytes: the longest strings without a size of their own are below */ };

#define EIGHT(kind, from)                                                                                              \
    {kind, 0, from}, {kind, 0, from + 1}, {kind, 0, from + 2}, {kind, 0, from + 3}, {kind, 0, from + 4},               \
        {kind, 0, from + 5}, {kind, 0, from + 6}, {                                                                    \
        kind, 0, from + 7                                                                                              \
    }

const struct msgpack_head msgpack_heads[256] = {
    [0x80] = EIGHT(MSGPACK_MAP, 0),
    EIGHT(MSGPACK_MAP, 8),
    EIGHT(MSGPACK_ARRAY, 0),
    EIGHT(MSGPACK_ARRAY, 8),
    EIGHT(MSGPACK_TEXT, 0),
    EIGHT(MSGPACK_TEXT, 8),
    EIGHT(MSGPACK_TEXT, 16),
    EIGHT(MSGPACK_TEXT, 24),
    [0xc1] = {MSGPACK_NEVER, 0, 0},
    [0xc4] = {MSGPACK_BINARY, 1, 0},
    {MSGPACK_BINARY, 2, 0},
    {MSGPACK_BINARY, 4, 0},
    [0xc7] = {MSGPACK_EXTENSION, 1, 0},
    {MSGPACK_EXTENSION, 2, 0},
    {MSGPACK_EXTENSION, 4, 0},
    [0xca] = {MSGPACK_SCALAR, 0, 4},
    {MSGPACK_SCALAR, 0, 8},
    [0xcc] = {MSGPACK_SCALAR, 0, 1},
    {MSGPACK_SCALAR, 0, 2},
    {MSGPACK_SCALAR, 0, 4},
    {MSGPACK_SCALAR, 0, 8},
    [0xd0] = {MSGPACK_SCALAR, 0, 1},
    {MSGPACK_SCALAR, 0, 2},
    {MSGPACK_SCALAR, 0, 4},
    {MSGPACK_SCALAR, 0, 8},
    [0xd4] = {MSGPACK_EXTENSION, 0, 1},
    {MSGPACK_EXTENSION, 0, 2},
    {MSGPACK_EXTENSION, 0, 4},
    {MSGPACK_EXTENSION, 0, 8},
    {MSGPACK_EXTENSION, 0, 16},
    [0xd9] = {MSGPACK_TEXT, 1, 0},
    {MSGPACK_TEXT, 2, 0},
    {MSGPACK_TEXT, 4, 0},
    [0xdc] = {MSGPACK_ARRAY, 2, 0},
    {MSGPACK_ARRAY, 4, 0},
    [0xde] = {MSGPACK_MAP, 2, 0},
    {MSGPACK_MAP, 4, 0},
};

void msgpack_describe(char to[MSGPACK_CLAIM_SIZE], enum msgpack_kind kind, uint32_t size, const char *more) {
    static const char *const names[][2] = {
        [MSGPACK_TEXT] = {"a string", "bytes"},
        [MSGPACK_BINARY] = {"binary data", "bytes"},
        [MSGPACK_EXTENSION] = {"an extension", "bytes"},
        [MSGPACK_ARRAY] = {"an array", "values"},
        [MSGPACK_MAP] = {"a map", "pairs"},
    };
    snprintf(to, MSGPACK_CLAIM_SIZE, "%s of %lu %s%s", names[kind][0], (unsigned long)size, names[kind][1], more);
}

void msgpack_scan_begin(struct msgpack_scan *scan) {
    scan->values = 1;
    scan->run = scan->width = 0;
    scan->skip = scan->before = 0;
}

static enum message_status scan_fail(struct msgpack_scan *scan, const char *problem) {
    snprintf(scan->problem, sizeof scan->problem, "invalid MessagePack at byte %llu: %s",
             (unsigned long long)scan->place, problem);
    return MESSAGE_BAD;
}

/* The value claims more than a message may have, or not: each value that is still to come has a byte at least. */
static enum message_status scan_check(struct msgpack_scan *scan, uint64_t seen) {
    char problem[MSGPACK_CLAIM_SIZE], more[64];
    if (seen + scan->skip + scan->values <= scan->limit) return MESSAGE_MORE;
    snprintf(more, sizeof more, ", in a message of at most %llu bytes", (unsigned long long)scan->limit);
    msgpack_describe(problem, scan->kind, scan->size, more);
    return scan_fail(scan, problem);
}

static enum message_status scan_container(struct msgpack_scan *scan, uint64_t seen) {
    if (++scan->run > scan->depth) return scan_fail(scan, "too many levels");
    if (!scan->size) scan->run = 0;
    scan->values += scan->kind == MSGPACK_MAP ? 2 * (uint64_t)scan->size : scan->size;
    return scan_check(scan, seen);
}

/* The size is known, `seen` bytes are behind. */
static enum message_status scan_sized(struct msgpack_scan *scan, uint64_t seen) {
    if (scan->kind >= MSGPACK_ARRAY) return scan_container(scan, seen);
    scan->run = 0;
    scan->skip = (uint64_t)scan->size + (scan->kind == MSGPACK_EXTENSION);
    return scan->size < SHORT ? MESSAGE_MORE : scan_check(scan, seen);
}

/* What a value begins with that is more than a scalar. */
static enum message_status scan_begin_sized(struct msgpack_scan *scan, struct msgpack_head head, uint64_t seen) {
    scan->place = seen;
    scan->kind = head.kind;
    scan->size = head.size;
    scan->width = head.width;
    if (head.kind == MSGPACK_NEVER) return scan_fail(scan, "0xc1, which begins no value");
    return head.width ? MESSAGE_MORE : scan_sized(scan, seen);
}

static enum message_status scan_first(struct msgpack_scan *scan, unsigned char byte, uint64_t seen) {
    struct msgpack_head head = msgpack_heads[byte];
    scan->values--;
    if (head.kind != MSGPACK_SCALAR) return scan_begin_sized(scan, head, seen);
    scan->run = 0;
    scan->skip = head.size;
    return MESSAGE_MORE;
}

static enum message_status scan_size(struct msgpack_scan *scan, unsigned char byte, uint64_t seen) {
    scan->size = scan->size << 8 | byte;
    return --scan->width ? MESSAGE_MORE : scan_sized(scan, seen);
}

/* Passes over whole values that are short, of which there are by far the most; returns where it stops. */
static size_t scan_short(struct msgpack_scan *scan, const unsigned char *bytes, size_t at, size_t length) {
    uint64_t values = scan->values;
    for (; values && at < length; values--) {
        struct msgpack_head head = msgpack_heads[bytes[at]];
        if (head.kind > MSGPACK_TEXT || head.width || length - at <= head.size) break;
        at += head.size + 1u;
    }
    if (values < scan->values) scan->run = 0;
    scan->values = values;
    return at;
}

static size_t scan_skip(struct msgpack_scan *scan, size_t at, size_t length) {
    size_t skip = scan->skip < length - at ? (size_t)scan->skip : length - at;
    scan->skip -= skip;
    return at + skip;
}

/* Whole: nothing is still to come. */
static int scan_is_done(const struct msgpack_scan *scan) {
    return !scan->values && !scan->skip && !scan->width;
}

enum message_status msgpack_scan(struct msgpack_scan *scan, const unsigned char *bytes, size_t length, size_t *used) {
    size_t at = 0;
    enum message_status status = MESSAGE_MORE;
    while (status == MESSAGE_MORE && at < length) {
        if (scan->width) status = scan_size(scan, bytes[at], scan->before + at + 1), at++;
        else if (scan->skip) at = scan_skip(scan, at, length);
        else if ((at = scan_short(scan, bytes, at, length)) < length && scan->values)
            status = scan_first(scan, bytes[at], scan->before + at + 1), at++;
        if (status == MESSAGE_MORE && scan_is_done(scan)) status = MESSAGE_DONE;
    }
    scan->before += at;
    *used = at - (status == MESSAGE_BAD);
    return status;
}
