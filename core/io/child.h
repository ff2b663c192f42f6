/* Child processes: each is watched until it has ended, and reaped then, whether somebody holds it or not. Owner: the
 * loop, until it has ended and its holder has let it go.
 * Invariant: a process is signalled only while it has not been reaped, so that its number cannot be another's. */
#ifndef PERIGEE_IO_CHILD_H
#define PERIGEE_IO_CHILD_H

#include "io/loop.h"
#include "system/process.h"

enum { CHILD_STATUS_LOST = -1 }; /* somebody else in this process has waited for it */

struct child {
    ev_io io;           /* on the process's descriptor; fd -1: there is none, SIGCHLD tells of its end */
    struct timer timer; /* until it is killed */
    struct loop *loop;
    struct child *next, **link;
    pid_t pid;
    int status; /* of waitpid(2), when it has ended */
    unsigned group : 1, has_ended : 1, is_held : 1;
    unsigned is_asked : 1, is_disowned : 1;            /* asked: SIGTERM was sent */
    void (*ended)(struct child *child, void *context); /* NULL: nobody is told */
    void *context;
};

/* Starts a program; the caller holds the child. NULL with *failure. */
struct child *child_start(struct loop *loop, const struct process_request *request, struct process_failure *failure);

/* To its group when it has one. 0, or -1 with errno; ESRCH: it has ended. */
int child_signal(struct child *child, int number);
/* SIGTERM, unless it was sent before, and SIGKILL when it has not ended after `grace` seconds. */
void child_terminate(struct child *child, double grace);
/* The caller holds it no more, and is told nothing any more. */
void child_let_go(struct child *child);

/* It runs on when the loop ends. */
void child_disown(struct child *child);

/* The loop ends: those that run, and are not disowned, get SIGTERM, and nobody waits for them. */
void child_stop_all(struct loop *loop);

#endif
