/* What the header fields of an HTTP/1 head mean for its message: its framing, its host, the life of its connection.
 * Private to the parser, which notes each field as it comes and checks them together at the end. Owner: the caller.
 * Invariant: the head's flags say what the fields noted so far say. */
#ifndef PERIGEE_BYTES_HTTP_FIELDS_H
#define PERIGEE_BYTES_HTTP_FIELDS_H

#include "bytes/http_head.h"

struct http_fields {
    struct http_head *head;
    const char *bytes; /* of the head */
    struct http_problem *problem;
    uint8_t has_host;
    uint8_t has_authority; /* the target has said the host: the field is checked, and not needed */
    uint8_t expects_more;  /* than 100-continue */
    uint8_t closes, keeps; /* options of the connection */
};

/* What a field of this name says about the message, whatever its value. */
enum http_meaning {
    HTTP_MEANS_NOTHING,
    HTTP_MEANS_HOST,
    HTTP_MEANS_EXPECTATION,
    HTTP_MEANS_CONNECTION,
    HTTP_MEANS_LENGTH,
    HTTP_MEANS_CODING
};
enum http_meaning http_name_meaning(const char *name, size_t length);

/* 0, or -1 with the problem. */
int http_fields_note(struct http_fields *fields, const struct http_field *field);
int http_fields_finish_request(struct http_fields *fields);
int http_fields_finish_response(struct http_fields *fields);

/* The length of the uri-host [ ":" port ] (RFC 3986 3.2) that comes first, an empty one too; -1: that is none. The
 * caller knows that a byte follows which is in none. */
ptrdiff_t http_authority_length(const char *bytes);

static inline struct http_span http_span_between(const char *bytes, const char *from, const char *to) {
    return (struct http_span){(uint16_t)(from - bytes), (uint16_t)(to - from)};
}

static inline int http_refuse(struct http_problem *problem, int status, const char *what) {
    *problem = (struct http_problem){status, what};
    return -1;
}

#endif
