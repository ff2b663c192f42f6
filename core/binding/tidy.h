/* Tidying: once Lua's memory has grown much, or many connections have ended, and the process has become quiet, the garbage
 * is collected in small steps and what is free goes back to the system. Owner: the runtime.
 * Invariant: the timer is set from then on until it is done. */
#ifndef PERIGEE_BINDING_TIDY_H
#define PERIGEE_BINDING_TIDY_H

#include "io/timers.h"

struct runtime;

struct tidy {
    struct timer timer;
    size_t live;          /* bytes that Lua held after the last time */
    unsigned connections; /* alive then, or at most since */
    double cpu, at;       /* seconds of CPU time used, and the loop's time, at the last look */
    int collecting;
};

void tidy_init(struct tidy *tidy);
void tidy_look(struct runtime *runtime); /* in each pass of the loop: is there something to do? */

void tidy_soon(
    struct runtime *runtime); /* there is garbage: once the process is quiet it is collected in small steps */

/* All at once: a full collection, and idle memory back to the system. */
void tidy_all(struct runtime *runtime);

#endif
