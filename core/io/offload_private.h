/* What the loop's side (offload.c) and the threads' side (offload_thread.c) of a pool share. */
#ifndef PERIGEE_IO_OFFLOAD_PRIVATE_H
#define PERIGEE_IO_OFFLOAD_PRIVATE_H

#include "io/loop.h"
#include "io/offload.h"

#include <pthread.h>
#include <signal.h>

enum { THREADS_MAX = 256 };

struct offload_thread {
    struct offload *offload;
    pthread_t id;
    struct offload_job *job; /* read by the signal handler; NULL: none */
    void *context;
    unsigned number;
    int has_worked;   /* since the last rest */
    sigset_t signals; /* that its creator blocks */
};

struct offload {
    struct ev_loop *ev;
    ev_async finished_some;
    struct offload_hooks hooks;
    pthread_mutex_t lock; /* of all below, and of the links and the state of the jobs */
    pthread_cond_t submitted;
    struct job_list queue, finished;
    unsigned thread_limit, queue_limit;
    unsigned queued, busy, started, active;
    int closing;
    struct offload_thread *threads[THREADS_MAX];
};

int offload_thread_start(struct offload_thread *thread); /* 0, or -1 with errno */
/* Tells a running job to stop. The lock is held. */
void offload_thread_stop(struct offload_job *job);
void offload_install_handler(void); /* of the signal by which it is told */

#endif
