/* A connector makes one connected stream socket out of a list of endpoints: it tries them in order, the next one
 * at a failure or after 250 ms without an answer (RFC 8305), and keeps the first that connects. The last endpoint,
 * when it is a Unix socket with a full backlog, is tried again until connector_cancel: connect(2) would block there.
 * Owner: the caller, from connector_start to `done` or connector_cancel, whichever comes first. */
#ifndef PERIGEE_IO_CONNECTOR_H
#define PERIGEE_IO_CONNECTOR_H

#include "system/socket.h"

struct ev_loop;
struct connector;

/* fd: a connected socket that now belongs to the callee, its peer in *peer; or -1 with `error` the errno value of
 * the last failure. The connector is freed when this returns. */
typedef void connector_done(void *context, int fd, const struct endpoint *peer, int error);

/* Copies endpoints and options. `done` is never called before connector_start returns. NULL when out of memory. */
struct connector *connector_start(struct ev_loop *ev, const struct endpoint *endpoints, size_t count,
                                  const struct socket_options *options, connector_done *done, void *context);
void connector_cancel(struct connector *connector); /* closes every attempt; done is not called */

#endif
