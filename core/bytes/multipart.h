/* An incremental parser of multipart/form-data (RFC 7578, RFC 2046 5.1), fed in pieces of any size. Owner: whoever
 * reads the form. Invariant: of the input it keeps the head of the part, and knows how many bytes of the delimiter have come:
 * when they turn out to be data, they are given as such from its own copy. */
#ifndef PERIGEE_BYTES_MULTIPART_H
#define PERIGEE_BYTES_MULTIPART_H

#include "bytes/span.h"
#include <stdint.h>

enum {
    MULTIPART_BOUNDARY_MAX = 70, /* bytes */
    MULTIPART_HEAD_MAX = 8192,   /* bytes of a part's header fields */
    MULTIPART_FIELDS_MAX = 32    /* header fields of a part */
};

enum multipart_event {
    MULTIPART_PART,     /* a part begins: see part */
    MULTIPART_DATA,     /* some bytes of it: see data, which lives as long as the input, and until the next call */
    MULTIPART_PART_END, /* it is complete */
    MULTIPART_END,      /* the last part was the last; what follows is passed over */
    MULTIPART_MORE,     /* the input has been used up */
    MULTIPART_BAD       /* see what; so it remains */
};

struct multipart_part {
    struct span name, filename, content_type; /* they live until the part's end; bytes is NULL when there is none */
};

struct multipart {
    struct multipart_part part;
    struct span data;
    const char *what; /* a static text: why it is refused */

    /* Private. */
    uint8_t state;
    uint8_t delimiter_length, held; /* bytes; of the delimiter, those that have come */
    uint8_t unreal;                 /* how many of the held are no data, as they belong to what came before */
    uint8_t in_part;                /* there has been a part, and not its end */
    char delimiter[4 + MULTIPART_BOUNDARY_MAX]; /* CR LF -- boundary */
    size_t head_length;
    char head[2 + MULTIPART_HEAD_MAX]; /* with the line end before it */
};

/* The boundary that a Content-Type gives; -1 when it is another type, or the boundary is missing or wrong. */
int multipart_boundary(const char *content_type, size_t length, const char **boundary, size_t *boundary_length);

/* Copies the boundary, as multipart_boundary has found it. */
void multipart_init(struct multipart *multipart, const char *boundary, size_t length);

/* The next event of the input, from which it takes what it has done with. */
enum multipart_event multipart_next(struct multipart *multipart, struct span *input);

/* Has MULTIPART_END been? If not when the body ends, the form is cut short. */
int multipart_is_complete(const struct multipart *multipart);

/* Makes a client's file name one that is safe within a directory, in place: what follows the last '/' or '\', without
 * control characters. Returns its length; 0 when nothing is left, or "." or "..". */
size_t multipart_safe_name(char *name, size_t length);

#endif
