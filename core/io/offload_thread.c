#include "io/offload_private.h"

#include <errno.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { NICER = 10 /* than the loop */, LARGEST_NICE = 19, REST_MILLISECONDS = 100 };

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
void offload_install_handler(void) {
    struct sigaction action = {.sa_handler = on_stop_signal};
    sigfillset(&action.sa_mask);
    sigaction(stop_signal(), &action, NULL);
}

void offload_thread_stop(struct offload_job *job) {
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

/* 0 when nothing has come. */
static int wait_a_little(struct offload *offload) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += REST_MILLISECONDS * 1000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    return pthread_cond_clockwait(&offload->submitted, &offload->lock, CLOCK_MONOTONIC, &until) == 0;
}

/* The next job, or NULL when the pool closes. The lock is held, but not while it waits. */
static struct offload_job *thread_next(struct offload_thread *thread) {
    struct offload *offload = thread->offload;
    while (!offload->closing && (!offload->queued || thread->number >= offload->thread_limit)) {
        if (!thread->has_worked) pthread_cond_wait(&offload->submitted, &offload->lock);
        else if (!wait_a_little(offload)) rest(thread);
    }
    if (offload->closing) return NULL;
    offload->queued--;
    offload->busy++;
    return job_list_take(&offload->queue);
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
    job_list_add(&offload->finished, &job->node);
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

/* With all signals blocked, which the thread inherits. */
int offload_thread_start(struct offload_thread *thread) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &thread->signals);
    int error = pthread_create(&thread->id, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &thread->signals, NULL);
    return error ? (errno = error, -1) : 0;
}

void offload_let_signals_in(int let_in) {
    sigset_t closed;
    sigfillset(&closed);
    sigdelset(&closed, stop_signal());
    if (this_thread) pthread_sigmask(SIG_SETMASK, let_in ? &this_thread->signals : &closed, NULL);
}
