#include "bytes/http_chars.h"
#include "bytes/http_fields.h"

#include <assert.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Finding the end, sixteen bytes at a time. Control bytes are refused here, for the whole head at once: behind this,
 * each line is text and ends in CRLF, and no loop over a line needs to look for the head's end. */

enum { BLOCK = 16 };

/* A bit for each byte of a block, the first byte's lowest. */
struct marks {
    unsigned lf, cr, control; /* control: any other but the tab */
};

#ifdef __SSE2__
static inline unsigned block_equals(__m128i block, char byte) {
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8(byte)));
}

static inline struct marks block_mark(const char *bytes) {
    __m128i block = _mm_loadu_si128((const __m128i *)bytes);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
    unsigned lf = block_equals(block, '\n'), cr = block_equals(block, '\r'), tab = block_equals(block, '\t');
    unsigned control = (unsigned)_mm_movemask_epi8(low) | block_equals(block, 0x7f);
    return (struct marks){lf, cr, control & ~(lf | cr | tab)};
}
#else
static inline struct marks block_mark(const char *bytes) {
    struct marks marks = {0, 0, 0};
    for (unsigned i = 0; i < BLOCK; i++) {
        unsigned bit = 1u << i;
        if (bytes[i] == '\n') marks.lf |= bit;
        else if (bytes[i] == '\r') marks.cr |= bit;
        else if (!http_char_is(bytes[i], HTTP_VALUE)) marks.control |= bit;
    }
    return marks;
}
#endif

/* The block at `at`, of which only bytes before `end` count. */
static inline struct marks block_mark_last(const char *bytes, size_t at, size_t end) {
    char copy[BLOCK] = {0};
    size_t count = end - at;
    if (end < BLOCK) memcpy(copy, bytes + at, count);
    struct marks marks = block_mark(end < BLOCK ? copy : bytes + end - BLOCK);
    unsigned shift = end < BLOCK ? 0 : (unsigned)(BLOCK - count), mask = (1u << count) - 1;
    return (struct marks){marks.lf >> shift & mask, marks.cr >> shift & mask, marks.control >> shift & mask};
}

/* Where between `at` and `end` the head ends, or is wrong: then *wrong is set. `end` when neither. */
static size_t head_find_event(const char *bytes, size_t at, size_t end, int *wrong) {
    unsigned after_cr = at && bytes[at - 1] == '\r';          /* bit 0: the byte before is a CR */
    unsigned after_lf = !at || bytes[at - 1] == '\n' ? 2 : 0; /* bits 0 and 1: those two before are LF */
    if (at == 1 || (at > 1 && bytes[at - 2] == '\n')) after_lf |= 1;
    for (; at < end; at += BLOCK) {
        struct marks marks = end - at >= BLOCK ? block_mark(bytes + at) : block_mark_last(bytes, at, end);
        unsigned bad = marks.control | (marks.lf ^ (marks.cr << 1 | after_cr)); /* a CR without LF, or the reverse */
        unsigned done = marks.lf & (marks.lf << 2 | after_lf);
        unsigned counted = end - at >= BLOCK ? (1u << BLOCK) - 1 : (1u << (end - at)) - 1;
        if ((bad | done) & counted) {
            unsigned first = (unsigned)__builtin_ctz(bad | done);
            *wrong = bad >> first & 1;
            return at + first;
        }
        after_cr = marks.cr >> (BLOCK - 1);
        after_lf = marks.lf >> (BLOCK - 2);
    }
    return end;
}

/* `length` bytes have come: is there no end of the first line where it should be at the latest? */
static int head_line_is_too_long(const char *bytes, size_t length, size_t limit) {
    return length > limit && bytes[limit] != '\r' && !memchr(bytes, '\n', limit + 1);
}

ptrdiff_t http_head_find(const char *bytes, size_t length, size_t *scanned, const struct http_limits *limits,
                         struct http_problem *problem) {
    size_t end = length < limits->head ? length : limits->head;
    int wrong = 0;
    size_t event = head_find_event(bytes, *scanned, end, &wrong);
    if (*scanned <= limits->line && head_line_is_too_long(bytes, event, limits->line))
        return http_refuse(problem, 414, "the first line is too long");
    if (wrong) return http_refuse(problem, 400, "a control byte, or a line that does not end in CRLF");
    if (event < end) return (ptrdiff_t)event + 1;
    if (length > end) return http_refuse(problem, 431, "the head is too long");
    *scanned = end;
    return 0;
}

/* The header fields. */

/* Behind the name that starts at `at`: sixteen letters and hyphens at a time, the rest one by one. */
static inline const char *name_end(const char *at, const char *end) {
#ifdef __SSE2__
    if (end - at >= BLOCK) {
        __m128i block = _mm_loadu_si128((const __m128i *)at);
        __m128i place = _mm_sub_epi8(_mm_or_si128(block, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
        __m128i letters = _mm_cmpeq_epi8(_mm_min_epu8(place, _mm_set1_epi8('z' - 'a')), place);
        at += __builtin_ctz(~((unsigned)_mm_movemask_epi8(letters) | block_equals(block, '-')));
    }
#else
    (void)end;
#endif
    return http_skip(at, HTTP_TOKEN);
}

/* A line's CR. */
static inline const char *line_end(const char *at, const char *end) {
#ifdef __SSE2__
    for (; end - at >= BLOCK; at += BLOCK) {
        unsigned found = block_equals(_mm_loadu_si128((const __m128i *)at), '\r');
        if (found) return at + __builtin_ctz(found);
    }
#endif
    return memchr(at, '\r', (size_t)(end - at));
}

/* `end` is the line's CR. */
static inline struct http_span value_trim(const char *bytes, const char *at, const char *end) {
    while (*at == ' ' || *at == '\t') at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t')) end--;
    return http_span_between(bytes, at, end);
}

static const char *field_problem(const char *line, const char *end) {
    if (*line == ' ' || *line == '\t') return "a folded header field";
    if (end == line) return "a header field without a name";
    return *end == ' ' || *end == '\t' ? "a space before the colon of a header field"
                                       : "a name of a header field that is no token";
}

static int head_read_fields(struct http_fields *fields, const char *at, const char *end, unsigned max) {
    struct http_head *head = fields->head;
    if (max > HTTP_FIELDS_MAX) max = HTTP_FIELDS_MAX;
    while (*at != '\r') {
        const char *colon = name_end(at, end), *cr;
        if (colon == at || *colon != ':') return http_refuse(fields->problem, 400, field_problem(at, colon));
        if (head->count == max) return http_refuse(fields->problem, 431, "too many header fields");
        struct http_field *field = &head->fields[head->count++];
        cr = line_end(colon, end);
        field->name = http_span_between(fields->bytes, at, colon);
        field->value = value_trim(fields->bytes, colon + 1, cr);
        if (http_fields_note(fields, field) < 0) return -1;
        at = cr + 2;
    }
    return 0;
}

/* All but the fields themselves, which would be a kilobyte to clear. */
static void head_init(struct http_head *head, const char *bytes, size_t size) {
    assert(size >= 2 && size <= HTTP_HEAD_MAX && memcmp(bytes + size - 2, "\r\n", 2) == 0);
    memset(head, 0, offsetof(struct http_head, fields));
    head->size = (uint16_t)size;
}

/* Requests. */

/* From the path on, and up to its end; NULL: malformed. */
static const char *target_read_path(struct http_fields *fields, const char *at) {
    struct http_head *head = fields->head;
    const char *start = at;
    while (*(at = http_skip(at, HTTP_PATH)) == '%') {
        if (!http_char_is(at[1], HTTP_HEX) || !http_char_is(at[2], HTTP_HEX)) return NULL;
        if (at[1] == '0' && at[2] == '0') return NULL;
        at += 3;
    }
    head->path = http_span_between(fields->bytes, start, at);
    if (*at != '?') return at;
    start = at + 1;
    at = http_skip(start, HTTP_TARGET);
    head->query = http_span_between(fields->bytes, start, at);
    head->has_query = 1;
    return at;
}

/* The host and the port that a target names; NULL: malformed. */
static const char *target_read_authority(struct http_fields *fields, const char *at) {
    ptrdiff_t length = http_authority_length(at);
    if (length <= 0 || *at == ':') return NULL;
    fields->head->host = http_span_between(fields->bytes, at, at + length);
    fields->has_authority = 1;
    return at + length;
}

static const char *target_read_absolute(struct http_fields *fields, const char *at) {
    if (!http_is_word(at, "http", 4)) return NULL;
    at += http_lower(at[4]) == 's' ? 5 : 4;
    if (memcmp(at, "://", 3) != 0) return NULL;
    at = target_read_authority(fields, at + 3);
    return at && (*at == '/' || *at == '?' || *at == ' ') ? target_read_path(fields, at) : NULL;
}

/* Host and port, both: the peer to be connected to. */
static const char *target_read_connect(struct http_fields *fields, const char *at) {
    const char *end = target_read_authority(fields, at);
    if (!end || !http_char_is(end[-1], HTTP_DIGIT) || !memchr(at, ':', (size_t)(end - at))) return NULL;
    fields->head->path = fields->head->host;
    return end;
}

/* By the method, RFC 9112 3.2; NULL: malformed. */
static const char *target_read(struct http_fields *fields, const char *at) {
    struct http_span method = fields->head->method;
    if (http_span_equals(method, fields->bytes, "CONNECT", 7)) return target_read_connect(fields, at);
    if (*at == '/') return target_read_path(fields, at);
    if (*at != '*') return target_read_absolute(fields, at);
    fields->head->path = http_span_between(fields->bytes, at, at + 1);
    return http_span_equals(method, fields->bytes, "OPTIONS", 7) ? at + 1 : NULL;
}

/* "HTTP/1.1" or "HTTP/1.0". */
static int version_read(struct http_fields *fields, const char *at) {
    if (memcmp(at, "HTTP/", 5) != 0 || !http_char_is(at[5], HTTP_DIGIT) || at[6] != '.' ||
        !http_char_is(at[7], HTTP_DIGIT))
        return http_refuse(fields->problem, 400, "a malformed version");
    if (at[5] != '1' || at[7] > '1') return http_refuse(fields->problem, 505, "a version other than HTTP/1.0 and 1.1");
    fields->head->minor = at[7] == '1';
    return 0;
}

/* Returns the start of the fields; NULL: refused. */
static const char *request_read_line(struct http_fields *fields, const char *at, const char *end) {
    const char *start = at;
    at = http_skip(at, HTTP_TOKEN);
    fields->head->method = http_span_between(fields->bytes, start, at);
    if (at == start || *at != ' ') return http_refuse(fields->problem, 400, "a malformed method"), NULL;
    start = ++at;
    at = target_read(fields, at);
    if (!at || *at != ' ') return http_refuse(fields->problem, 400, "a malformed target"), NULL;
    fields->head->target = http_span_between(fields->bytes, start, at);
    if (end - at < 11 || at[9] != '\r') return http_refuse(fields->problem, 400, "a malformed version"), NULL;
    return version_read(fields, at + 1) < 0 ? NULL : at + 11;
}

int http_head_parse_request(struct http_head *head, const char *bytes, size_t size, const struct http_limits *limits,
                            struct http_problem *problem) {
    struct http_fields fields = {.head = head, .bytes = bytes, .problem = problem};
    head_init(head, bytes, size);
    const char *at = request_read_line(&fields, bytes, bytes + size);
    if (!at || head_read_fields(&fields, at, bytes + size, limits->fields) < 0) return -1;
    return http_fields_finish_request(&fields);
}

/* Responses. */

static int status_read(struct http_head *head, const char *at) {
    for (int i = 0; i < 3; i++, at++) {
        if (!http_char_is(*at, HTTP_DIGIT)) return -1;
        head->status = (uint16_t)(head->status * 10 + (*at - '0'));
    }
    return head->status >= 100 && (*at == ' ' || *at == '\r') ? 0 : -1;
}

/* The reason may be empty, and so may be the space before it, which many servers leave away then. */
static const char *response_read_line(struct http_fields *fields, const char *at, const char *end) {
    struct http_head *head = fields->head;
    const char *cr = line_end(at, end);
    if (cr - at < 12 || at[8] != ' ') return http_refuse(fields->problem, 400, "a malformed status line"), NULL;
    if (version_read(fields, at) < 0) return NULL;
    if (status_read(head, at + 9) < 0) return http_refuse(fields->problem, 400, "a malformed status"), NULL;
    at += at[12] == ' ' ? 13 : 12;
    head->reason = http_span_between(fields->bytes, at, cr);
    return cr + 2;
}

int http_head_parse_response(struct http_head *head, const char *bytes, size_t size, const struct http_limits *limits,
                             struct http_problem *problem) {
    struct http_fields fields = {.head = head, .bytes = bytes, .problem = problem};
    head_init(head, bytes, size);
    const char *at = response_read_line(&fields, bytes, bytes + size);
    if (!at || head_read_fields(&fields, at, bytes + size, limits->fields) < 0) return -1;
    return http_fields_finish_response(&fields);
}
