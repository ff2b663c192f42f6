/* The parameters of a header field's value: `; name=token; name="quoted"` (RFC 9110 5.6.6). Owner: the caller; spans
 * point into the value. */
#ifndef PERIGEE_BYTES_PARAMETERS_H
#define PERIGEE_BYTES_PARAMETERS_H

#include "bytes/span.h"

struct parameter {
    struct span name, value; /* the value without its quotes, but with its backslashes */
    int is_quoted;
};

/* The next parameter from *position (first: behind what has parameters), which it moves. 0 when there is none, -1 when
 * malformed. */
int parameter_next(const char *bytes, size_t length, size_t *position, struct parameter *parameter);

/* Is this its name? Compared without case. */
int parameter_is(const struct parameter *parameter, const char *name);

#endif
