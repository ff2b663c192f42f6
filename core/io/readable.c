#include "io/readable.h"

static void readable_on_event(struct ev_loop *ev, ev_io *io, int events) {
    struct readable *readable = io->data;
    (void)events;
    ev_io_stop(ev, io);
    waiter_wake(&readable->waiter, WAKE_NOW);
}

void readable_init(struct readable *readable, struct loop *loop, int fd) {
    readable->loop = loop;
    readable->waiter = NULL;
    ev_io_init(&readable->io, readable_on_event, fd, EV_READ);
    readable->io.data = readable;
}

void readable_await(struct readable *readable, struct waiter *waiter) {
    readable->waiter = waiter;
    ev_io_start(readable->loop->ev, &readable->io);
}

void readable_forget(struct readable *readable) {
    ev_io_stop(readable->loop->ev, &readable->io);
    readable->waiter = NULL;
}

void readable_give_up(struct readable *readable) {
    ev_io_stop(readable->loop->ev, &readable->io);
    waiter_wake(&readable->waiter, WAKE_LATER);
}
