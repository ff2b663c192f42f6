/* What the files of an HTTP connection share with each other: http_connection.c (its life), http_reading.c (heads),
 * http_timing.c (its time limits), http_upload.c (bodies), http_answer.c. */
#ifndef PERIGEE_HTTP_HTTP_PRIVATE_H
#define PERIGEE_HTTP_HTTP_PRIVATE_H

#include "http/http_connection.h"

static const double HTTP_PING_SECONDS = 15; /* of silence on a stream */

/* Reads and hands out requests as long as there are any, and nobody has to wait. The client may be gone after. */
void http_run(struct http_connection *client);
void http_await_head(struct http_connection *client); /* waits for more of a head, or for its first byte */
void http_await_next(struct http_connection *client); /* the phase that follows a request with its whole body */
void http_go_on(struct http_connection *client);      /* something has come, gone, or ended */

void http_set_deadline(struct http_connection *client, double seconds); /* from now */
void http_on_timer(struct timer *timer);
/* Goes on before the loop sleeps: inside of another's call the connection must not be ended. */
void http_defer(struct http_connection *client);

#endif
