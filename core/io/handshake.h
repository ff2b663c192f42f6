/* The TLS handshakes of a listener's clients, before they are connections: each has a descriptor, a session and a
 * deadline, and no task. Owner: the loop, until `done` has been called or they are dropped. */
#ifndef PERIGEE_IO_HANDSHAKE_H
#define PERIGEE_IO_HANDSHAKE_H

#include "io/loop.h"
#include "io/tls.h"
#include "system/address.h"

/* Called once: with the stream, which is the callee's, or with NULL and what went wrong. */
typedef void handshake_done(void *owner, const struct stream *stream, const struct endpoint *peer,
                            const struct tls_failure *failure);

/* Takes fd, a connected socket, unless it returns -1 for lack of memory. May call `done` before it returns. */
int handshake_start(struct loop *loop, int fd, const struct endpoint *peer, struct tls_context *context, double seconds,
                    handshake_done *done, void *owner);
void handshake_drop_all(struct loop *loop); /* without calling `done` */

#endif
