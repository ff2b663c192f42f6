/* A listener accepts connections and hands each descriptor on. Owner: whoever embeds it.
 * When descriptors run out it gives up the loop's spare one to take the client off the queue and turn it away, so that
 * neither the client hangs nor the loop spins; when not even that works it rests for a moment. */
#ifndef PERIGEE_IO_LISTENER_H
#define PERIGEE_IO_LISTENER_H

#include "io/loop.h"
#include "system/socket.h"

struct listener {
    ev_io io;
    struct timer rest;
    struct loop *loop;
    /* Takes fd. May close the listener, but not free its memory. */
    void (*accepted)(struct listener *listener, int fd, const struct endpoint *peer);
    void (*refused)(struct listener *listener, int error); /* a client was turned away: EMFILE, ENFILE ... */
    unsigned open : 1;
    unsigned paused : 1;
};

/* Takes fd, a listening socket, and starts to accept. */
void listener_init(struct listener *listener, struct loop *loop, int fd);
void listener_close(struct listener *listener);             /* nothing when it is closed */
void listener_pause(struct listener *listener, int paused); /* clients wait in the kernel's backlog meanwhile */

#endif
