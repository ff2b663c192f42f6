/* One question to a server at a Unix socket, a line for a line, that blocks the caller: for where nothing else can go on
 * meanwhile. */
#ifndef PERIGEE_SYSTEM_LOCAL_REQUEST_H
#define PERIGEE_SYSTEM_LOCAL_REQUEST_H

#include <stddef.h>

enum { LOCAL_REQUEST_ANSWER_MAX = 1 << 20 }; /* bytes of an answer */

/* Connects to `path` (a leading '@' is the abstract namespace, unix(7)), writes the text, and reads a line. 0, with
 * *answer the caller's to free(3) and without the end of the line; or -1 with errno: ETIMEDOUT after so many seconds,
 * ECONNRESET when the server closes first, EMSGSIZE when the answer is too long. */
int local_request(const char *path, const char *text, size_t length, double seconds, char **answer,
                  size_t *answer_length);

#endif
