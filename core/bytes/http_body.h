/* The body of an HTTP/1 message: its framing taken off, in place (RFC 9112 6, 7). Strict: a chunk size is 1 to 16 hex
 * digits, extensions are skipped but must be well formed, every line ends in CRLF, trailers are parsed and dropped.
 * Owner: the connection that reads it. */
#ifndef PERIGEE_BYTES_HTTP_BODY_H
#define PERIGEE_BYTES_HTTP_BODY_H

#include "bytes/http_head.h"

struct http_body {
    uint64_t left;     /* bytes of the body, or of this chunk, still to come */
    uint32_t overhead; /* bytes of framing since the last data: bounded, so that nobody sends size lines for ever */
    uint8_t state;     /* private */
};

enum http_body_status {
    HTTP_BODY_DATA, /* some bytes of it */
    HTTP_BODY_MORE, /* the input has been used up */
    HTTP_BODY_END,  /* it is complete: what is left of the input belongs to the next message */
    HTTP_BODY_BAD   /* the problem says why */
};

void http_body_init_request(struct http_body *body, const struct http_head *head);
/* A response to HEAD, and 1xx, 204, 304, have none; without length or chunks it lasts until the connection ends. */
void http_body_init_response(struct http_body *body, const struct http_head *head, int answers_head);

static inline int http_body_is_complete(const struct http_body *body) {
    return body->state == 0;
}
int http_body_lasts_until_end(const struct http_body *body);

/* The next piece of the input: *used bytes are done with, of which the last *count are data (only with DATA). An
 * incomplete line of framing may be left unused: it is to be offered again with more behind it. */
enum http_body_status http_body_next(struct http_body *body, const char *bytes, size_t length, size_t *used,
                                     size_t *count, struct http_problem *problem);

/* The longest size line of a chunk. */
enum { HTTP_CHUNK_LINE_MAX = 18 };
/* Writes the line that opens a chunk of `length` bytes; returns its bytes. */
size_t http_chunk_write_size(char line[HTTP_CHUNK_LINE_MAX], uint64_t length);

#endif
