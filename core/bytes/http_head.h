/* The head of an HTTP/1 message, parsed in place and strictly (RFC 9112, RFC 9110): whatever two implementations might
 * read differently is refused. Places are offsets from the head's first byte. Owner: the caller.
 * Invariant: every span lies within the head; names are tokens, values have no control characters but tabs, and are
 * trimmed. */
#ifndef PERIGEE_BYTES_HTTP_HEAD_H
#define PERIGEE_BYTES_HTTP_HEAD_H

#include <stddef.h>
#include <stdint.h>

enum { HTTP_FIELDS_MAX = 128, HTTP_HEAD_MAX = 65535 /* bytes */ };

struct http_span {
    uint16_t start, length;
};

struct http_field {
    struct http_span name, value;
};

struct http_limits {
    uint16_t line;   /* bytes of the first line; longer: 414 */
    uint16_t head;   /* bytes of the whole head; longer: 431 */
    uint16_t fields; /* header fields, at most HTTP_FIELDS_MAX; more: 431 */
};

struct http_head {
    struct http_span method, target, path, query; /* of a request; query is what follows the '?', path precedes it */
    struct http_span reason;                      /* of a response */
    struct http_span host;                        /* the Host field, or the authority of an absolute target */
    uint64_t length;                              /* Content-Length, when has_length */
    uint16_t status;                              /* of a response */
    uint16_t size;                                /* bytes of the head with the empty line that ends it */
    uint16_t count;                               /* header fields */
    uint8_t minor;                                /* of HTTP/1.minor: 0 or 1 */
    unsigned keep_alive : 1;                      /* the connection may carry another message after this one */
    unsigned chunked : 1;
    unsigned has_length : 1;
    unsigned has_query : 1;        /* there is a '?', even with nothing behind it */
    unsigned expects_continue : 1; /* Expect: 100-continue */
    unsigned upgrades : 1;         /* Connection: upgrade */
    struct http_field fields[HTTP_FIELDS_MAX];
};

/* Why a message is refused. */
struct http_problem {
    int status;       /* to answer with: 400, 414, 417, 431, 501, 505 */
    const char *what; /* a static text: "a space before the colon of a header field" */
};

/* Looks for the end of a head in bytes[0..length), going on at *scanned (0 at first), which it moves. Returns the
 * size of the head, 0 when more bytes are needed, or -1 with the problem: a bare LF, a NUL, longer than the limits. One
 * empty line before a request is skipped by the caller, not here. */
ptrdiff_t http_head_find(const char *bytes, size_t length, size_t *scanned, const struct http_limits *limits,
                         struct http_problem *problem);

/* Parse the head that http_head_find has found, and rely on what it has checked: no control bytes, CRLF behind each
 * line. 0, or -1 with the problem. An absolute target's path may be empty; that of "*" and of CONNECT is the target. */
int http_head_parse_request(struct http_head *head, const char *bytes, size_t size, const struct http_limits *limits,
                            struct http_problem *problem);
int http_head_parse_response(struct http_head *head, const char *bytes, size_t size, const struct http_limits *limits,
                             struct http_problem *problem);

/* The first field of a name (compared without case) from field number `from` on: its number, or -1. */
int http_head_find_field(const struct http_head *head, const char *bytes, const char *name, size_t length, int from);

/* Has a comma separated list (RFC 9110 5.6.1) this token? Compared without case. */
int http_list_has(const char *list, size_t length, const char *token);

static inline int http_span_equals(struct http_span span, const char *bytes, const char *text, size_t length) {
    return span.length == length && __builtin_memcmp(bytes + span.start, text, length) == 0;
}

int http_is_token(const char *bytes, size_t length);       /* RFC 9110 5.6.2, not empty */
int http_is_field_value(const char *bytes, size_t length); /* may be written as a value: no control but tab */

#endif
