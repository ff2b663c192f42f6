/* What the loop's side (durable.c) and the thread's side (durable_thread.c) share. */
#ifndef PERIGEE_IO_DURABLE_PRIVATE_H
#define PERIGEE_IO_DURABLE_PRIVATE_H

#include "io/durable.h"

#include <pthread.h>

struct durable_writer {
    struct loop *loop;
    struct durable *durable;
    struct durable_writer *next; /* of the loop's */
    char *directory;
    unsigned holders;
    struct dirty dirty;
    struct job_list fresh; /* submitted in this pass */
    struct job_list done;  /* not freed yet */
    int ending;            /* the tasks are gone: what is done is given up */
    ev_async progressed;
    int has_thread;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below, and of the links and the progress of requests that are not fresh */
    pthread_cond_t changed;
    struct job_list queue, finished;
    int closing;  /* the thread is to end when the queue is empty */
    int ended;    /* it has */
    int forsaken; /* the loop is gone */
};

int durable_thread_start(struct durable_writer *writer); /* 0, or -1 with errno */

#endif
