/* A run of bytes in somebody else's memory. Owner: whoever has the bytes. */
#ifndef PERIGEE_BYTES_SPAN_H
#define PERIGEE_BYTES_SPAN_H

#include <stddef.h>

struct span {
    const char *bytes;
    size_t length;
};

#endif
