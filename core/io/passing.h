/* Descriptors over a connection: in order with its bytes, one by one. Only over Unix sockets. */
#ifndef PERIGEE_IO_PASSING_H
#define PERIGEE_IO_PASSING_H

#include "io/connection.h"

/* What one message has brought, see descriptor_receive. */
struct passed {
    unsigned char byte;
    int fd, count;
};

/* Only while no output is queued. WAIT: see connection_await_room. BROKEN with errno. */
enum io_status passing_send(struct connection *connection, int fd);

/* Only while no input is pending: bytes that were read ahead have lost their descriptors. DONE, WAIT, END, or BROKEN
 * with errno. */
enum io_status passing_receive(struct connection *connection, struct passed *passed);

#endif
