/* Percent-encoding (RFC 3986 2.1), and the pairs of application/x-www-form-urlencoded: a query, or a form's body.
 * Owner: the caller. */
#ifndef PERIGEE_BYTES_PERCENT_H
#define PERIGEE_BYTES_PERCENT_H

#include "bytes/span.h"
#include "bytes/text.h"

/* Decodes into `to`, which may be `from` and needs `length` bytes; returns how many it wrote. A '%' that is not
 * followed by two hex digits stays as it is. */
size_t percent_decode(char *to, const char *from, size_t length, int plus_is_space);

/* Adds the bytes encoded as a component: letters, digits, '-', '.', '_' and '~' stay. 0, or -1 when out of memory. */
int percent_encode(struct text *out, const char *bytes, size_t length);

/* Both still encoded, for percent_decode with plus_is_space. */
struct form_pair {
    struct span name, value; /* the value is empty when there is no '=' */
};

/* The next pair from *position (0 at first), which it moves; 0 when there is none. What is empty between two '&' is
 * skipped. */
int form_next(const char *bytes, size_t length, size_t *position, struct form_pair *pair);

#endif
