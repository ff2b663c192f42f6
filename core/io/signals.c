#include "io/signals.h"

static void signal_on_event(struct ev_loop *ev, ev_signal *signal, int events) {
    (void)ev, (void)events;
    struct signal_watch *watch = signal->data;
    watch->received(watch, signal->signum);
}

void signal_watch_start(struct signal_watch *watch, struct loop *loop, int number) {
    watch->loop = loop;
    ev_signal_init(&watch->signal, signal_on_event, number);
    watch->signal.data = watch;
    ev_signal_start(loop->ev, &watch->signal);
    ev_unref(loop->ev); /* a watch does not keep the loop running */
}

void signal_watch_stop(struct signal_watch *watch) {
    if (!ev_is_active(&watch->signal)) return;
    ev_ref(watch->loop->ev);
    ev_signal_stop(watch->loop->ev, &watch->signal);
}
