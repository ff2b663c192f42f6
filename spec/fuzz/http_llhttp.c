/* Pipelined messages, read by us and by llhttp in strict mode: what we accept it accepts too, and for both it is the
 * same method, target, fields and body, with the same end. The first byte: requests, responses, or those to HEAD.
 * Stricter on purpose we are with: an empty line before a request; a missing, second or malformed Host; targets (form
 * by method, escapes, NUL, user names, fragments); a tab behind a Content-Length; a second Content-Length, that of a
 * response too; lists of transfer codings, and any in HTTP/1.0; a body of CONNECT, 1xx or 204; expectations; a chunk
 * size of more than 16 digits; trailers that are for heads only. What llhttp refuses and we take: is_known. */
#include "bytes/http_body.h"
#include "fuzz.h"

#include <llhttp.h>
#include <string.h>

enum { BODY_MAX = 4096 };

struct piece {
    const char *bytes;
    size_t length;
};

struct data {
    char bytes[BODY_MAX];
    size_t length;
};

struct theirs {
    llhttp_t parser; /* first: the callbacks get it */
    struct piece method, target, reason, names[HTTP_FIELDS_MAX], values[HTTP_FIELDS_MAX];
    int count; /* fields, up to the body */
    int has_head, is_complete, keep_alive, skips_body;
    struct data body;
};

struct ours {
    const char *bytes;
    struct http_head head;
    int has_partial_line;         /* what it will be, llhttp may know already */
    enum http_body_status status; /* the last */
    size_t used;                  /* bytes of the message, as far as it came */
    struct data body;
};

static void data_append(struct data *data, const char *bytes, size_t length) {
    check(length <= BODY_MAX - data->length);
    memcpy(data->bytes + data->length, bytes, length);
    data->length += length;
}

/* Theirs. All input is in one place: a piece that comes in parts is still one piece. */

static int piece_extend(struct piece *piece, const char *at, size_t length) {
    if (!piece->bytes) piece->bytes = at;
    piece->length = (size_t)(at + length - piece->bytes);
    return 0;
}

static int on_method(llhttp_t *parser, const char *at, size_t length) {
    return piece_extend(&((struct theirs *)parser)->method, at, length);
}

static int on_url(llhttp_t *parser, const char *at, size_t length) {
    return piece_extend(&((struct theirs *)parser)->target, at, length);
}

static int on_status(llhttp_t *parser, const char *at, size_t length) {
    return piece_extend(&((struct theirs *)parser)->reason, at, length);
}

static int on_header_field(llhttp_t *parser, const char *at, size_t length) {
    struct theirs *theirs = (struct theirs *)parser;
    return theirs->has_head ? 0 : piece_extend(&theirs->names[theirs->count], at, length);
}

static int on_header_value(llhttp_t *parser, const char *at, size_t length) {
    struct theirs *theirs = (struct theirs *)parser;
    return theirs->has_head ? 0 : piece_extend(&theirs->values[theirs->count], at, length);
}

static int on_header_value_complete(llhttp_t *parser) {
    struct theirs *theirs = (struct theirs *)parser;
    if (!theirs->has_head) theirs->count++;
    return theirs->count < HTTP_FIELDS_MAX ? 0 : HPE_USER;
}

static int on_headers_complete(llhttp_t *parser) {
    struct theirs *theirs = (struct theirs *)parser;
    theirs->has_head = 1;
    return theirs->skips_body;
}

static int on_body(llhttp_t *parser, const char *at, size_t length) {
    data_append(&((struct theirs *)parser)->body, at, length);
    return 0;
}

static int on_message_complete(llhttp_t *parser) {
    struct theirs *theirs = (struct theirs *)parser;
    theirs->is_complete = 1;
    theirs->keep_alive = llhttp_should_keep_alive(parser);
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_method = on_method,
    .on_url = on_url,
    .on_status = on_status,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* The next message; returns llhttp's verdict. */
static llhttp_errno_t theirs_read(struct theirs *theirs, const char *bytes, size_t size, int skips_body) {
    llhttp_t parser = theirs->parser;
    *theirs = (struct theirs){.parser = parser, .skips_body = skips_body};
    if (llhttp_get_errno(&theirs->parser) == HPE_PAUSED) llhttp_resume(&theirs->parser);
    return llhttp_execute(&theirs->parser, bytes, size);
}

/* Ours. */

/* Returns whether it has a head that we accept. */
static int ours_read(struct ours *ours, const char *bytes, size_t size, unsigned kind) {
    static const struct http_limits limits = {8192, 32768, HTTP_FIELDS_MAX - 1};
    struct http_problem problem;
    struct http_body body;
    size_t scanned = 0, used = 0, count;
    ptrdiff_t found = http_head_find(bytes, size, &scanned, &limits, &problem);
    if (found <= 0) return 0;
    int result = (kind ? http_head_parse_response : http_head_parse_request)(&ours->head, bytes, (size_t)found, &limits,
                                                                             &problem);
    if (result < 0) return 0;
    if (kind) http_body_init_response(&body, &ours->head, kind == 2);
    else http_body_init_request(&body, &ours->head);
    ours->bytes = bytes;
    ours->body.length = 0;
    ours->used = (size_t)found;
    do {
        ours->status = http_body_next(&body, bytes + ours->used, size - ours->used, &used, &count, &problem);
        ours->used += used;
        data_append(&ours->body, bytes + ours->used - count, count);
    } while (ours->status == HTTP_BODY_DATA);
    ours->has_partial_line = ours->status == HTTP_BODY_MORE && ours->used < size;
    if (http_body_lasts_until_end(&body)) ours->head.keep_alive = 0;
    return 1;
}

/* Compared. */

static struct piece trim(struct piece piece) {
    while (piece.length && strchr(" \t", piece.bytes[piece.length - 1])) piece.length--;
    return piece;
}

static void compare_piece(const struct ours *ours, struct http_span span, struct piece piece) {
    check(span.length == piece.length && (!span.length || !memcmp(ours->bytes + span.start, piece.bytes, span.length)));
}

static void compare_head(const struct ours *ours, const struct theirs *theirs) {
    const struct http_head *head = &ours->head;
    compare_piece(ours, head->method, theirs->method);
    compare_piece(ours, head->target, theirs->target);
    compare_piece(ours, head->reason, theirs->reason);
    check(head->count == theirs->count && head->status == theirs->parser.status_code);
    check(theirs->parser.http_major == 1 && theirs->parser.http_minor == head->minor);
    for (int i = 0; i < theirs->count; i++) {
        compare_piece(ours, head->fields[i].name, theirs->names[i]);
        compare_piece(ours, head->fields[i].value, trim(theirs->values[i]));
    }
}

/* Where llhttp may know less of the connection's end than we: it takes Proxy-Connection for Connection, does not see
 * an option with a tab beside it, and for HTTP/1.0 keep-alive beats close. */
static int is_connection_doubtful(const struct ours *ours) {
    const struct http_head *head = &ours->head;
    if (http_head_find_field(head, ours->bytes, "Proxy-Connection", 16, 0) >= 0) return 1;
    for (int i = -1; (i = http_head_find_field(head, ours->bytes, "Connection", 10, i + 1)) >= 0;) {
        struct http_span value = head->fields[i].value;
        const char *bytes = ours->bytes + value.start;
        if (memchr(bytes, '\t', strcspn(bytes, "\r"))) return 1;
        if (head->minor == 0 && http_list_has(bytes, value.length, "close")) return 1;
    }
    return 0;
}

static void compare_end(const struct ours *ours, const struct theirs *theirs, const char *end) {
    const struct data *a = &ours->body, *b = &theirs->body;
    check(a->length == b->length && !memcmp(a->bytes, b->bytes, a->length));
    check((ours->status == HTTP_BODY_END) == theirs->is_complete);
    if (!theirs->is_complete) return;
    check(ours->head.keep_alive == theirs->keep_alive || is_connection_doubtful(ours));
    check(ours->bytes + ours->used == end);
}

/* What llhttp refuses and we take: a method that it does not know, or only with other versions (PRI, those of RTSP),
 * and chunk extensions behind one that has a value. */
static int is_known(const struct theirs *theirs, llhttp_errno_t verdict) {
    const char *reason = llhttp_get_error_reason(&theirs->parser);
    if (verdict == HPE_INVALID_CHUNK_SIZE) return llhttp_get_error_pos(&theirs->parser)[-1] == ';';
    if (theirs->parser.type == HTTP_REQUEST && theirs->parser.method == HTTP_PRI) return 1;
    return verdict == HPE_INVALID_METHOD || (verdict == HPE_INVALID_CONSTANT && strstr(reason, "Invalid method"));
}

/* Returns whether another message may follow. */
static int compare(const struct ours *ours, const struct theirs *theirs, llhttp_errno_t verdict) {
    if (is_known(theirs, verdict)) return 0;
    check(theirs->has_head);
    compare_head(ours, theirs);
    if (ours->status == HTTP_BODY_BAD || ours->has_partial_line) return 0;
    check(verdict == HPE_OK || verdict == HPE_PAUSED);
    compare_end(ours, theirs, llhttp_get_error_pos(&theirs->parser));
    return theirs->is_complete && theirs->keep_alive && ours->head.keep_alive && !theirs->parser.upgrade;
}

static int is_skipped(const struct http_head *head, unsigned kind) {
    return kind == 2 || (kind == 1 && head->status == 304);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size < BODY_MAX ? size : BODY_MAX};
    unsigned kind = input_byte(&input) % 3;
    struct ours *ours = malloc(sizeof *ours);
    struct theirs *theirs = malloc(sizeof *theirs);
    llhttp_init(&theirs->parser, kind ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
    for (int more = 1; more && ours_read(ours, (const char *)input.data, input.size, kind);) {
        llhttp_errno_t verdict =
            theirs_read(theirs, (const char *)input.data, input.size, is_skipped(&ours->head, kind));
        more = compare(ours, theirs, verdict);
        input.data += ours->used;
        input.size -= ours->used;
    }
    free(ours);
    free(theirs);
    return 0;
}
