/* What the parts of a connection share: connection.c (life, output, waiting), connection_input.c. */
#ifndef PERIGEE_IO_CONNECTION_PRIVATE_H
#define PERIGEE_IO_CONNECTION_PRIVATE_H

#include "io/connection.h"

/* The stream is broken for good: the output is lost, and whoever waits is told before the loop sleeps. */
void connection_break(struct connection *connection, int error);

void connection_drop_input(struct connection *connection);
/* A few bytes that wait for the rest of a line or frame do not keep a whole piece of the pool. */
void connection_shrink_input(struct connection *connection);

#endif
