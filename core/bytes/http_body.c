#include "bytes/http_body.h"
#include "bytes/http_chars.h"
#include "bytes/http_fields.h"

#include <string.h>

/* BODY_COMPLETE is 0: http_body_is_complete knows. */
enum { BODY_COMPLETE, BODY_LENGTH, BODY_UNTIL_END, CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, TRAILERS };

enum { FRAMING_MAX = 8192, HEX_DIGITS_MAX = 16 };

static void http_body_init(struct http_body *body, uint8_t state, uint64_t left) {
    *body = (struct http_body){.left = left, .state = state};
}

static void http_body_init_framed(struct http_body *body, const struct http_head *head) {
    if (head->chunked) http_body_init(body, CHUNK_SIZE, 0);
    else http_body_init(body, head->length ? BODY_LENGTH : BODY_COMPLETE, head->length);
}

void http_body_init_request(struct http_body *body, const struct http_head *head) {
    http_body_init_framed(body, head);
}

void http_body_init_response(struct http_body *body, const struct http_head *head, int answers_head) {
    int has_none = answers_head || head->status < 200 || head->status == 204 || head->status == 304;
    if (has_none) http_body_init(body, BODY_COMPLETE, 0);
    else if (head->chunked || head->has_length) http_body_init_framed(body, head);
    else http_body_init(body, BODY_UNTIL_END, 0);
}

int http_body_lasts_until_end(const struct http_body *body) {
    return body->state == BODY_UNTIL_END;
}

/* Chunk extensions: *( ";" name [ "=" ( token / quoted-string ) ] ), RFC 9112 7.1.1, without the white space and the
 * backslashes that it allows but nobody sends and not everybody reads. They are in a line that ends in CRLF, so that
 * each loop ends there. */

static const char *skip_token(const char *at) {
    const char *end = http_skip(at, HTTP_TOKEN);
    return end > at ? end : NULL;
}

static const char *skip_quoted(const char *at) {
    at = http_skip(at + 1, HTTP_QUOTED);
    return *at == '"' ? at + 1 : NULL;
}

static const char *skip_extension(const char *at) {
    at = skip_token(at);
    if (!at || *at != '=') return at;
    return at[1] == '"' ? skip_quoted(at + 1) : skip_token(at + 1);
}

static int has_sound_extensions(const char *at) {
    while (at && *at == ';') at = skip_extension(at + 1);
    return at && at[0] == '\r' && at[1] == '\n';
}

/* Lines of framing. */

/* The line that comes first, with its LF; 0: it is not complete, -1: it is too long. */
static ptrdiff_t framing_line(struct http_body *body, const char *bytes, size_t length, struct http_problem *problem) {
    size_t most = FRAMING_MAX - body->overhead;
    const char *lf = memchr(bytes, '\n', length < most ? length : most);
    if (lf && (lf == bytes || lf[-1] != '\r')) return http_refuse(problem, 400, "a line that does not end in CRLF");
    if (lf) body->overhead += (uint32_t)(lf + 1 - bytes);
    else if (length >= most) return http_refuse(problem, 400, "too much framing around a chunk");
    return lf ? lf + 1 - bytes : 0;
}

static int hex_value(char digit) {
    return digit <= '9' ? digit - '0' : http_lower(digit) - 'a' + 10;
}

static int read_chunk_size(struct http_body *body, const char *line, struct http_problem *problem) {
    const char *at = line;
    body->left = 0;
    for (; http_char_is(*at, HTTP_HEX); at++) body->left = body->left << 4 | (uint64_t)hex_value(*at);
    if (at == line || at - line > HEX_DIGITS_MAX) return http_refuse(problem, 400, "a malformed chunk size");
    if (!has_sound_extensions(at)) return http_refuse(problem, 400, "a malformed chunk extension");
    body->state = body->left ? CHUNK_DATA : TRAILERS;
    return 0;
}

static int read_trailer(struct http_body *body, const char *line, size_t length, struct http_problem *problem) {
    if (length == 2) {
        body->state = BODY_COMPLETE;
        return 0;
    }
    const char *colon = http_skip(line, HTTP_TOKEN), *end = line + length - 2;
    if (colon == line || *colon != ':' || !http_is_field_value(colon + 1, (size_t)(end - colon - 1)))
        return http_refuse(problem, 400, "a malformed trailer");
    if (http_name_meaning(line, (size_t)(colon - line)) != HTTP_MEANS_NOTHING)
        return http_refuse(problem, 400, "a trailer that only a head may have");
    return 0;
}

/* The CRLF behind a chunk's data; as framing_line. */
static ptrdiff_t read_data_end(struct http_body *body, const char *bytes, size_t length, struct http_problem *problem) {
    if (bytes[0] != '\r' || (length > 1 && bytes[1] != '\n'))
        return http_refuse(problem, 400, "a chunk longer than its size");
    if (length < 2) return 0;
    body->state = CHUNK_SIZE;
    return 2;
}

/* As framing_line. */
static ptrdiff_t read_framing(struct http_body *body, const char *bytes, size_t length, struct http_problem *problem) {
    if (!length) return 0;
    if (body->state == CHUNK_DATA_END) return read_data_end(body, bytes, length, problem);
    ptrdiff_t line = framing_line(body, bytes, length, problem);
    if (line <= 0) return line;
    int result = body->state == CHUNK_SIZE ? read_chunk_size(body, bytes, problem)
                                           : read_trailer(body, bytes, (size_t)line, problem);
    return result < 0 ? -1 : line;
}

static int is_framing(const struct http_body *body) {
    return body->state == CHUNK_SIZE || body->state == CHUNK_DATA_END || body->state == TRAILERS;
}

static size_t take_data(struct http_body *body, size_t available) {
    if (body->state == BODY_UNTIL_END) return available;
    size_t count = available < body->left ? available : (size_t)body->left;
    body->left -= count;
    if (!body->left) body->state = body->state == CHUNK_DATA ? CHUNK_DATA_END : BODY_COMPLETE;
    body->overhead = 0;
    return count;
}

enum http_body_status http_body_next(struct http_body *body, const char *bytes, size_t length, size_t *used,
                                     size_t *count, struct http_problem *problem) {
    *used = *count = 0;
    while (is_framing(body)) {
        ptrdiff_t line = read_framing(body, bytes + *used, length - *used, problem);
        if (line <= 0) return line < 0 ? HTTP_BODY_BAD : HTTP_BODY_MORE;
        *used += (size_t)line;
    }
    if (body->state == BODY_COMPLETE) return HTTP_BODY_END;
    if (*used == length) return HTTP_BODY_MORE;
    *count = take_data(body, length - *used);
    *used += *count;
    return HTTP_BODY_DATA;
}

size_t http_chunk_write_size(char line[HTTP_CHUNK_LINE_MAX], uint64_t length) {
    size_t digits = 1;
    while (digits < HEX_DIGITS_MAX && length >> (4 * digits)) digits++;
    for (size_t i = digits; i-- > 0; length >>= 4) line[i] = "0123456789abcdef"[length & 15];
    memcpy(line + digits, "\r\n", 2);
    return digits + 2;
}
