/* A datagram socket: received in batches by recvmmsg(2), sent in one sendmmsg(2) before the loop sleeps.
 * Owner: the binding's userdata, in whose memory it lives. A datagram is sent whole or not at all, and as everywhere
 * with UDP it may be lost: when the kernel has no room the queue waits, and above its bound the sender should wait. */
#ifndef PERIGEE_IO_DATAGRAM_H
#define PERIGEE_IO_DATAGRAM_H

#include "io/loop.h"
#include "io/transport.h"
#include "io/waiter.h"
#include "system/address.h"

enum {
    DATAGRAM_MAX = 65527,     /* bytes: IPv6 counts them in 16 bits, less UDP's header */
    DATAGRAM_MAX_V4 = 65507,  /* less IPv4's header, too */
    DATAGRAM_BATCH = 32,      /* datagrams of one recvmmsg(2) or sendmmsg(2) */
    DATAGRAM_QUEUE_MAX = 1024 /* datagrams above which a sender should wait */
};

struct outgoing;

struct datagram {
    ev_io io;
    struct dirty dirty;
    struct loop *loop;
    struct outgoing *head, **tail; /* not sent yet */
    unsigned queued;
    struct waiter *reader, *writer;
    int error;  /* errno of the last failure to send that a sender has not been told; 0: none */
    int family; /* AF_INET or AF_INET6 */
    unsigned open : 1, readable : 1;
};

void datagram_init(struct datagram *datagram, struct loop *loop, int fd); /* takes fd */
void datagram_close(struct datagram *datagram); /* what is queued is tried once more; wakes both waiters */

/* One datagram, borrowed until the next is received on any socket of the loop. DONE, WAIT or BROKEN. */
enum io_status datagram_receive(struct datagram *datagram, const char **bytes, size_t *length, struct endpoint *peer);

/* Calls `each` for up to `limit` (at most DATAGRAM_BATCH) datagrams that have come, in order; the bytes are borrowed for the call.
 * `each` returns 0 to stop, e.g. when it has closed the socket; the rest of the batch is dropped then. */
typedef int datagram_each(void *context, const char *bytes, size_t length, const struct endpoint *peer);
enum io_status datagram_receive_batch(struct datagram *datagram, unsigned limit, datagram_each *each, void *context);

/* Queues a copy. `peer` NULL: the connected peer. 0, or -1 with errno (EMSGSIZE, ENOMEM, an earlier failure). */
int datagram_send(struct datagram *datagram, const void *bytes, size_t length, const struct endpoint *peer);

void datagram_await_input(struct datagram *datagram, struct waiter *reader);
void datagram_await_output(struct datagram *datagram, struct waiter *writer); /* until less than half is queued */
void datagram_forget(struct datagram *datagram, const struct waiter *waiter);

#endif
