/* Bodies: in whatever pieces they come, the data and the verdict are the same, and what we send in chunks is read back.
 * The first byte: the kind of body; the next: seeds of the pieces' sizes. */
#include "bytes/http_body.h"
#include "fuzz.h"

#include <string.h>

enum { KINDS = 4, DATA_MAX = 4096 };

struct reading {
    struct http_body body;
    enum http_body_status status; /* the last */
    unsigned char data[DATA_MAX];
    size_t length; /* bytes of data */
    size_t used;   /* bytes of input */
};

static void begin(struct reading *reading, unsigned kind, uint64_t length) {
    struct http_head head = {.chunked = kind == 0, .has_length = kind == 1, .length = kind == 1 ? length : 0};
    head.status = 200;
    reading->length = reading->used = 0;
    reading->status = HTTP_BODY_MORE;
    if (kind < 2) http_body_init_request(&reading->body, &head);
    else http_body_init_response(&reading->body, &head, kind == 3);
}

/* One piece, in memory of just its size. Returns whether there may be another one. */
static int next(struct reading *reading, const uint8_t *bytes, size_t size) {
    char *copy = size ? memcpy(malloc(size), bytes, size) : malloc(1);
    struct http_problem problem = {0, NULL};
    size_t used = 0, count = 0;
    reading->status = http_body_next(&reading->body, copy, size, &used, &count, &problem);
    check(count <= used && used <= size && (reading->status == HTTP_BODY_DATA) == (count > 0));
    check((reading->status == HTTP_BODY_BAD) == (problem.status == 400));
    check((reading->status == HTTP_BODY_END) <= http_body_is_complete(&reading->body));
    memcpy(reading->data + reading->length, copy + used - count, count);
    reading->length += count;
    reading->used += used;
    free(copy);
    return reading->status == HTTP_BODY_DATA;
}

/* As from a connection: more comes in pieces of these sizes, and what was left is offered again with it. */
static void read_pieces(struct reading *reading, const uint8_t *bytes, size_t size, const uint8_t *sizes) {
    size_t come = 0;
    for (unsigned i = 0; reading->status <= HTTP_BODY_MORE && !(i && reading->status == HTTP_BODY_MORE && come == size);
         i++) {
        size_t piece = 1 + sizes[i % 4] % 16, rest = size - come;
        come += piece < rest ? piece : rest;
        next(reading, bytes + reading->used, come - reading->used);
    }
}

static void read_at_once(struct reading *reading, const uint8_t *bytes, size_t size) {
    while (next(reading, bytes + reading->used, size - reading->used)) {
    }
}

static void compare(const struct reading *a, const struct reading *b) {
    check(a->status == b->status && a->length == b->length && !memcmp(a->data, b->data, a->length));
    check(a->status == HTTP_BODY_BAD || (a->used == b->used && a->body.state == b->body.state));
    check(http_body_is_complete(&a->body) == (a->status == HTTP_BODY_END));
}

/* Chunks of the sizes given, with all of the bytes. Returns the length of what is sent. */
static size_t write_chunks(uint8_t *sent, const uint8_t *bytes, size_t size, const uint8_t *sizes) {
    size_t length = 0, count;
    for (unsigned i = 0; size; i++, bytes += count, size -= count) {
        count = 1 + sizes[i % 4];
        if (count > size) count = size;
        size_t line = http_chunk_write_size((char *)sent + length, count);
        check(line <= HTTP_CHUNK_LINE_MAX);
        memcpy(sent + length + line, bytes, count);
        memcpy(sent + length + line + count, "\r\n", 2);
        length += line + count + 2;
    }
    memcpy(sent + length, "0\r\n\r\n", 5);
    return length + 5;
}

static void check_round_trip(const uint8_t *bytes, size_t size, const uint8_t *sizes) {
    struct reading *reading = malloc(sizeof *reading);
    uint8_t *sent = malloc(HTTP_CHUNK_LINE_MAX * (size + 1) + 3 * size + 5);
    size_t length = write_chunks(sent, bytes, size, sizes);
    begin(reading, 0, 0);
    read_pieces(reading, sent, length, sizes);
    check(reading->status == HTTP_BODY_END && reading->used == length);
    check(reading->length == size && !memcmp(reading->data, bytes, size));
    free(sent);
    free(reading);
}

/* The longest size, too. */
static void check_size_line(uint64_t length) {
    char line[HTTP_CHUNK_LINE_MAX];
    struct reading *reading = malloc(sizeof *reading);
    size_t count = http_chunk_write_size(line, length);
    begin(reading, 0, 0);
    next(reading, (const uint8_t *)line, count);
    check(reading->status == HTTP_BODY_MORE && reading->used == count && reading->body.left == length);
    free(reading);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size < DATA_MAX ? size : DATA_MAX};
    unsigned kind = input_byte(&input) % KINDS;
    uint64_t number = 0;
    uint8_t sizes[4];
    for (int i = 0; i < 4; i++) number = number << 16 | (sizes[i] = input_byte(&input));
    struct reading *whole = malloc(sizeof *whole), *pieces = malloc(sizeof *pieces);
    begin(whole, kind, sizes[0]);
    read_at_once(whole, input.data, input.size);
    begin(pieces, kind, sizes[0]);
    read_pieces(pieces, input.data, input.size, sizes);
    compare(whole, pieces);
    check_round_trip(input.data, input.size, sizes);
    check_size_line(number);
    free(whole);
    free(pieces);
    return 0;
}
