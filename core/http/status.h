/* Status codes of HTTP and the phrases that go with them (RFC 9110 15, and the registry). */
#ifndef PERIGEE_HTTP_STATUS_H
#define PERIGEE_HTTP_STATUS_H

const char *http_status_phrase(int status); /* "" for one that has none */

/* May an answer with this status have a body (RFC 9110 6.4.1)? */
int http_status_has_body(int status);

#endif
