/* Signals as events of the loop. Owner: whoever embeds the watch. */
#ifndef PERIGEE_IO_SIGNALS_H
#define PERIGEE_IO_SIGNALS_H

#include "io/loop.h"

struct signal_watch {
    ev_signal signal;
    struct loop *loop;
    void (*received)(struct signal_watch *watch, int number);
};

void signal_watch_start(struct signal_watch *watch, struct loop *loop, int number);
void signal_watch_stop(struct signal_watch *watch); /* the signal has its default action again */

#endif
