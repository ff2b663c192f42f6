/* The cookies of a Cookie header field (RFC 6265 5.4), as browsers send them. Owner: the caller; spans point into the
 * field's value. */
#ifndef PERIGEE_BYTES_COOKIE_H
#define PERIGEE_BYTES_COOKIE_H

#include "bytes/span.h"

struct cookie {
    struct span name, value; /* as they came, without space around them or quotes round the value */
};

/* The next cookie from *position (0 at first), which it moves; 0 when there is none. What has no name is skipped. */
int cookie_next(const char *bytes, size_t length, size_t *position, struct cookie *cookie);

#endif
