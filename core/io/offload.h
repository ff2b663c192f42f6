/* A pool of threads for work that would hold up the loop. A job runs in a thread, at a lower priority than the loop,
 * and is then done in the loop. The threads start when there is work for them, up to a limit, and block all signals but
 * one of their own, by which a running job is told to stop.
 * Owner: the loop's owner, who also owns the jobs. Invariant: a job that was submitted is either withdrawn by
 * offload_stop, or has `done` called once. */
#ifndef PERIGEE_IO_OFFLOAD_H
#define PERIGEE_IO_OFFLOAD_H

#include "io/job_list.h"

struct loop;
struct offload;
struct offload_thread;

struct offload_job {
    struct job_node node; /* first, so that its address is the job's: in the queue, or among those to be done */
    /* In a thread. *context is the thread's own, NULL at first. */
    void (*run)(struct offload_job *job, void **context);
    /* In the thread's signal handler, while `run` is on its stack: after the first offload_stop. */
    void (*stop)(struct offload_job *job);
    void (*done)(struct offload_job *job); /* in the loop; the job is its owner's again */
    struct offload_thread *thread;         /* that it runs in; NULL: none */
    int stopping;                          /* read by offload_is_stopping */
    int queued;
};

/* What a thread does with its context: when there is nothing to do, and before it ends. */
struct offload_hooks {
    void (*rest)(void *context);
    void (*end)(void *context);
};

/* `threads`: 0 is the number of CPUs; `queue`: jobs that may wait for a thread. NULL when out of memory. */
struct offload *offload_new(struct loop *loop, struct offload_hooks hooks, unsigned threads, unsigned queue);
/* Stops the running jobs and ends the threads. Jobs that are queued are done without having run. 0; or -1 when a thread
 * did not end within a second: it goes on, and the process is to end by _exit(2). */
int offload_free(struct offload *offload);

/* New limits hold for what is submitted from now on. */
void offload_limit(struct offload *offload, unsigned threads, unsigned queue);
unsigned offload_thread_limit(const struct offload *offload);
unsigned offload_queue_limit(const struct offload *offload);
unsigned offload_count(const struct offload *offload); /* jobs that are submitted and not done yet */

/* Whether a job can be submitted now: 0; or -1 with errno: ENOBUFS, the queue is full; or pthread_create(3)'s. */
int offload_prepare(struct offload *offload);
void offload_submit(struct offload *offload, struct offload_job *job); /* after offload_prepare has returned 0 */

/* Withdraws a queued job: 1, `done` will not be called. Tells a running one to stop: 0. */
int offload_stop(struct offload *offload, struct offload_job *job);
/* In a thread: whether the signals that it blocks come in, which the programs that it starts then do not inherit as
 * blocked. */
void offload_let_signals_in(int let_in);
int offload_is_stopping(const struct offload_job *job); /* in any thread, and in a signal handler */

#endif
