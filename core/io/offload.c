#include "io/offload.h"
#include "io/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { NICER = 10 /* than the loop */, LARGEST_NICE = 19, THREADS_MAX = 256, END_SECONDS = 1 };

struct offload_thread {
    struct offload *offload;
    pthread_t id;
    struct offload_job *job; /* read by the signal handler; NULL: none */
    void *context;
    unsigned number;
    int has_worked; /* since the last rest */
};

struct job_list {
    struct offload_job *first, **end;
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

/* Lists. */

static void list_init(struct job_list *list) {
    list->first = NULL;
    list->end = &list->first;
}

static void list_add(struct job_list *list, struct offload_job *job) {
    job->next = NULL;
    job->link = list->end;
    *list->end = job;
    list->end = &job->next;
}

static void list_remove(struct job_list *list, struct offload_job *job) {
    *job->link = job->next;
    if (job->next) job->next->link = job->link;
    else list->end = job->link;
}

static struct offload_job *list_take(struct job_list *list) {
    struct offload_job *job = list->first;
    if (job) list_remove(list, job);
    return job;
}

/* The signal. A handler knows its thread by nothing else but a variable of the thread. */

static _Thread_local struct offload_thread *this_thread;

static int stop_signal(void) {
    return SIGRTMIN + 7;
}

static struct offload_job *current_job(const struct offload_thread *thread) {
    return __atomic_load_n(&thread->job, __ATOMIC_ACQUIRE);
}

static void set_current_job(struct offload_thread *thread, struct offload_job *job) {
    __atomic_store_n(&thread->job, job, __ATOMIC_RELEASE);
}

int offload_is_stopping(const struct offload_job *job) {
    return __atomic_load_n(&job->stopping, __ATOMIC_ACQUIRE);
}

/* It may come late, when the thread is at another job: that one is not stopping. */
static void on_stop_signal(int number) {
    int error = errno;
    struct offload_job *job = this_thread ? current_job(this_thread) : NULL;
    (void)number;
    if (job && offload_is_stopping(job)) job->stop(job);
    errno = error;
}

/* Without SA_RESTART: a system call in which a job waits fails with EINTR. */
static void install_handler(void) {
    struct sigaction action = {.sa_handler = on_stop_signal};
    sigfillset(&action.sa_mask);
    sigaction(stop_signal(), &action, NULL);
}

/* The lock is held. */
static void stop_running(struct offload_job *job) {
    if (!job->thread) return;
    __atomic_store_n(&job->stopping, 1, __ATOMIC_RELEASE);
    pthread_kill(job->thread->id, stop_signal());
}

/* In a thread. */

static void lower_priority(void) {
    id_t thread = (id_t)gettid();
    int nice_value = getpriority(PRIO_PROCESS, thread) + NICER;
    setpriority(PRIO_PROCESS, thread, nice_value < LARGEST_NICE ? nice_value : LARGEST_NICE);
}

static void rest(struct offload_thread *thread) {
    struct offload *offload = thread->offload;
    thread->has_worked = 0;
    pthread_mutex_unlock(&offload->lock);
    offload->hooks.rest(thread->context);
    pthread_mutex_lock(&offload->lock);
}

/* The next job, or NULL when the pool closes. The lock is held, but not while it waits. */
static struct offload_job *thread_next(struct offload_thread *thread) {
    struct offload *offload = thread->offload;
    while (!offload->closing && (!offload->queued || thread->number >= offload->thread_limit)) {
        if (thread->has_worked) rest(thread);
        else pthread_cond_wait(&offload->submitted, &offload->lock);
    }
    if (offload->closing) return NULL;
    offload->queued--;
    offload->busy++;
    return list_take(&offload->queue);
}

static void thread_work(struct offload_thread *thread, struct offload_job *job) {
    struct offload *offload = thread->offload;
    job->queued = 0;
    job->thread = thread;
    set_current_job(thread, job);
    pthread_mutex_unlock(&offload->lock);
    job->run(job, &thread->context);
    pthread_mutex_lock(&offload->lock);
    set_current_job(thread, NULL);
    job->thread = NULL;
    offload->busy--;
    thread->has_worked = 1;
    list_add(&offload->finished, job);
    if (!offload->closing) ev_async_send(offload->ev, &offload->finished_some);
}

static void *thread_main(void *argument) {
    struct offload_thread *thread = argument;
    struct offload *offload = thread->offload;
    struct offload_job *job;
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, stop_signal());
    this_thread = thread;
    pthread_sigmask(SIG_UNBLOCK, &own, NULL);
    pthread_setname_np(pthread_self(), "offload");
    lower_priority();
    pthread_mutex_lock(&offload->lock);
    while ((job = thread_next(thread))) thread_work(thread, job);
    pthread_mutex_unlock(&offload->lock);
    if (thread->context) offload->hooks.end(thread->context);
    return NULL;
}

/* In the loop. */

static unsigned count_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return (unsigned)CPU_COUNT(&set);
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}

static void finish_all(struct offload *offload) {
    for (;;) {
        pthread_mutex_lock(&offload->lock);
        struct offload_job *job = list_take(&offload->finished);
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
    list_init(&offload->queue);
    list_init(&offload->finished);
    pthread_mutex_init(&offload->lock, NULL);
    pthread_cond_init(&offload->submitted, NULL);
    install_handler();
    ev_async_init(&offload->finished_some, on_finished);
    offload->finished_some.data = offload;
    ev_async_start(offload->ev, &offload->finished_some);
    return offload;
}

/* With all signals blocked, which the thread inherits. */
static int create_thread(struct offload_thread *thread) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread->id, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error ? (errno = error, -1) : 0;
}

/* The lock is held. */
static int start_thread(struct offload *offload) {
    struct offload_thread *thread = calloc(1, sizeof *thread);
    if (!thread) return -1;
    thread->offload = offload;
    thread->number = offload->started;
    if (create_thread(thread) < 0) {
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
    list_add(&offload->queue, job);
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
        list_remove(&offload->queue, job);
        job->queued = 0;
        offload->queued--;
        offload->active--;
    } else {
        stop_running(job);
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
        if (offload->threads[i]->job) stop_running(offload->threads[i]->job);
    struct offload_job *job;
    while ((job = list_take(&offload->queue))) list_add(&offload->finished, job);
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
