/* Accept-Encoding (RFC 9110 12.5.3). Owner: the caller. */
#ifndef PERIGEE_BYTES_HTTP_ACCEPT_H
#define PERIGEE_BYTES_HTTP_ACCEPT_H

#include <stddef.h>

/* Does the list name this coding, with a weight that is not 0? Compared without case. */
int http_accepts_coding(const char *list, size_t length, const char *coding);

#endif
