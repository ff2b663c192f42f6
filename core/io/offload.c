#include "io/offload_private.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { END_SECONDS = 1 };

static unsigned count_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return (unsigned)CPU_COUNT(&set);
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}

static void finish_all(struct offload *offload) {
    for (;;) {
        pthread_mutex_lock(&offload->lock);
        struct offload_job *job = job_list_take(&offload->finished);
        if (job) offload->active--;
        pthread_mutex_unlock(&offload->lock);
        if (!job) return;
        job->done(job);
    }
}

static void on_finished(struct ev_loop *ev, ev_async *watcher, int events) {
    (void)ev, (void)events;
    finish_all(watcher->data);
}

struct offload *offload_new(struct loop *loop, struct offload_hooks hooks, unsigned threads, unsigned queue) {
    struct offload *offload = calloc(1, sizeof *offload);
    if (!offload) return NULL;
    offload->ev = loop->ev;
    offload->hooks = hooks;
    offload->thread_limit = threads ? threads : count_cpus();
    offload->queue_limit = queue;
    if (offload->thread_limit > THREADS_MAX) offload->thread_limit = THREADS_MAX;
    job_list_init(&offload->queue);
    job_list_init(&offload->finished);
    pthread_mutex_init(&offload->lock, NULL);
    pthread_cond_init(&offload->submitted, NULL);
    offload_install_handler();
    ev_async_init(&offload->finished_some, on_finished);
    offload->finished_some.data = offload;
    ev_async_start(offload->ev, &offload->finished_some);
    return offload;
}

/* The lock is held. */
static int start_thread(struct offload *offload) {
    struct offload_thread *thread = calloc(1, sizeof *thread);
    if (!thread) return -1;
    thread->offload = offload;
    thread->number = offload->started;
    if (offload_thread_start(thread) < 0) {
        free(thread);
        return -1;
    }
    offload->threads[offload->started++] = thread;
    return 0;
}

/* Threads that have nothing to do, or are about to start. */
static unsigned count_free(const struct offload *offload) {
    unsigned usable = offload->started < offload->thread_limit ? offload->started : offload->thread_limit;
    return usable > offload->busy ? usable - offload->busy : 0;
}

static int prepare_locked(struct offload *offload) {
    if (offload->queued >= count_free(offload) && offload->started < offload->thread_limit)
        if (start_thread(offload) < 0 && !offload->started) return -1;
    return offload->queued < offload->queue_limit + count_free(offload) ? 0 : (errno = ENOBUFS, -1);
}

int offload_prepare(struct offload *offload) {
    pthread_mutex_lock(&offload->lock);
    int result = prepare_locked(offload);
    pthread_mutex_unlock(&offload->lock);
    return result;
}

void offload_submit(struct offload *offload, struct offload_job *job) {
    pthread_mutex_lock(&offload->lock);
    job->queued = 1;
    job->thread = NULL;
    job->stopping = 0;
    job_list_add(&offload->queue, &job->node);
    offload->queued++;
    offload->active++;
    if (offload->started <= offload->thread_limit) pthread_cond_signal(&offload->submitted);
    else pthread_cond_broadcast(&offload->submitted); /* one alone might be a thread that is not to work any more */
    pthread_mutex_unlock(&offload->lock);
}

int offload_stop(struct offload *offload, struct offload_job *job) {
    pthread_mutex_lock(&offload->lock);
    int withdrawn = job->queued;
    if (withdrawn) {
        job_list_remove(&offload->queue, &job->node);
        job->queued = 0;
        offload->queued--;
        offload->active--;
    } else {
        offload_thread_stop(job);
    }
    pthread_mutex_unlock(&offload->lock);
    return withdrawn;
}

/* Limits and counts are the loop's: no thread changes them, but under the lock they read them. */

void offload_limit(struct offload *offload, unsigned threads, unsigned queue) {
    pthread_mutex_lock(&offload->lock);
    offload->thread_limit = threads < THREADS_MAX ? threads : THREADS_MAX;
    offload->queue_limit = queue;
    pthread_cond_broadcast(&offload->submitted);
    pthread_mutex_unlock(&offload->lock);
}

unsigned offload_thread_limit(const struct offload *offload) {
    return offload->thread_limit;
}

unsigned offload_queue_limit(const struct offload *offload) {
    return offload->queue_limit;
}

unsigned offload_count(const struct offload *offload) {
    return offload->active;
}

/* The end. */

static void tell_to_end(struct offload *offload) {
    pthread_mutex_lock(&offload->lock);
    offload->closing = 1;
    for (unsigned i = 0; i < offload->started; i++)
        if (offload->threads[i]->job) offload_thread_stop(offload->threads[i]->job);
    struct offload_job *job;
    while ((job = job_list_take(&offload->queue))) job_list_add(&offload->finished, &job->node);
    pthread_cond_broadcast(&offload->submitted);
    pthread_mutex_unlock(&offload->lock);
}

/* Whether all of them have ended in time. */
static int join_all(struct offload *offload) {
    struct timespec until;
    int ended = 1;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += END_SECONDS;
    for (unsigned i = 0; i < offload->started; i++)
        ended &= pthread_clockjoin_np(offload->threads[i]->id, NULL, CLOCK_MONOTONIC, &until) == 0;
    return ended;
}

int offload_free(struct offload *offload) {
    tell_to_end(offload);
    int ended = join_all(offload);
    finish_all(offload);
    ev_async_stop(offload->ev, &offload->finished_some);
    if (!ended) return -1; /* a thread still uses it all */
    for (unsigned i = 0; i < offload->started; i++) free(offload->threads[i]);
    pthread_cond_destroy(&offload->submitted);
    pthread_mutex_destroy(&offload->lock);
    free(offload);
    return 0;
}
