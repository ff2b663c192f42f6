#include "io/durable_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { END_SECONDS = 3 };

/* Requests. */

struct durable_request *durable_request_new(size_t length, char **room) {
    struct durable_request *request = malloc(sizeof *request + length);
    if (!request) return NULL;
    *request = (struct durable_request){0};
    *room = (char *)(request + 1);
    return request;
}

static void request_free(struct durable_request *request) {
    durable_operation_clear(&request->operation);
    free(request);
}

int durable_request_submit(struct durable_writer *writer, struct durable_request *request) {
    if (!writer->has_thread && durable_thread_start(writer) < 0) {
        request_free(request);
        return -1;
    }
    writer->holders++;
    request->progress = REQUEST_FRESH;
    job_list_add(&writer->fresh, &request->node);
    dirty_mark(&writer->loop->dirty_durables, &writer->dirty);
    return 0;
}

void durable_request_free(struct durable_writer *writer, struct durable_request *request) {
    job_list_remove(&writer->done, &request->node);
    request_free(request);
    durable_writer_drop(writer);
}

/* It is done, and nobody wants its result. */
static void undo_or_release(struct durable_writer *writer, struct durable_request *request) {
    if (!request->undo || request->operation.error || !request->operation.found) {
        durable_request_free(writer, request);
        return;
    }
    job_list_remove(&writer->done, &request->node);
    request->operation.run = request->undo;
    request->undo = NULL;
    request->done = 0;
    request->given_up = 1;
    durable_request_submit(writer, request);
    durable_writer_drop(writer); /* the hold of its first time */
}

/* Whether it could be taken back before the thread had it. */
static int withdraw(struct durable_writer *writer, struct durable_request *request) {
    pthread_mutex_lock(&writer->lock);
    int withdrawn = request->progress <= REQUEST_QUEUED;
    if (withdrawn)
        job_list_remove(request->progress == REQUEST_FRESH ? &writer->fresh : &writer->queue, &request->node);
    pthread_mutex_unlock(&writer->lock);
    return withdrawn;
}

void durable_request_give_up(struct durable_writer *writer, struct durable_request *request) {
    request->waiter = NULL;
    request->given_up = 1;
    if (request->done) {
        undo_or_release(writer, request);
    } else if (withdraw(writer, request)) {
        request_free(request);
        durable_writer_drop(writer);
    }
}

static struct durable_request *take_finished(struct durable_writer *writer) {
    pthread_mutex_lock(&writer->lock);
    struct durable_request *request = job_list_take(&writer->finished);
    pthread_mutex_unlock(&writer->lock);
    return request;
}

static void finish(struct durable_writer *writer, struct durable_request *request) {
    request->done = 1;
    job_list_add(&writer->done, &request->node);
    if (request->given_up || writer->ending) undo_or_release(writer, request);
    else waiter_wake(&request->waiter, WAKE_LATER);
}

/* The caller holds the writer. */
static void finish_all(struct durable_writer *writer) {
    struct durable_request *request;
    while ((request = take_finished(writer))) finish(writer, request);
}

/* Hands what is fresh to the thread. */
static void hand_over(struct durable_writer *writer) {
    struct durable_request *request;
    if (!writer->fresh.first) return;
    pthread_mutex_lock(&writer->lock);
    while ((request = job_list_take(&writer->fresh))) {
        request->progress = REQUEST_QUEUED;
        job_list_add(&writer->queue, &request->node);
    }
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

static void on_flush(struct dirty *dirty) {
    hand_over((struct durable_writer *)((char *)dirty - offsetof(struct durable_writer, dirty)));
}

/* The end of an environment. */

static void writer_free(struct durable_writer *writer) {
    struct durable_writer **link = &writer->loop->durables;
    while (*link != writer) link = &(*link)->next;
    *link = writer->next;
    writer->loop->counts.durables--;
    dirty_unmark(&writer->loop->dirty_durables, &writer->dirty);
    ev_async_stop(writer->loop->ev, &writer->progressed);
    if (writer->durable) durable_close(writer->durable);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    free(writer->directory);
    free(writer);
}

/* 1: the thread will end when it has written what it was handed; 0: it is to go on. */
static void set_closing(struct durable_writer *writer, int closing) {
    pthread_mutex_lock(&writer->lock);
    writer->closing = closing;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

/* There is no thread for what is queued. */
static void fail_queued(struct durable_writer *writer, int error) {
    struct durable_request *request;
    while ((request = job_list_take(&writer->queue))) {
        request->operation.error = error;
        job_list_add(&writer->finished, &request->node);
    }
    finish_all(writer);
}

static void start_thread_if_needed(struct durable_writer *writer) {
    if (writer->queue.first && !writer->has_thread && durable_thread_start(writer) < 0) fail_queued(writer, errno);
}

/* The thread has ended, since nobody held the writer; somebody may again. */
static void settle(struct durable_writer *writer) {
    pthread_join(writer->thread, NULL);
    writer->has_thread = writer->ended = writer->closing = 0;
    start_thread_if_needed(writer);
}

static int has_ended(struct durable_writer *writer) {
    pthread_mutex_lock(&writer->lock);
    int ended = writer->ended;
    pthread_mutex_unlock(&writer->lock);
    return ended;
}

static void on_progressed(struct ev_loop *ev, ev_async *watcher, int events) {
    struct durable_writer *writer = watcher->data;
    (void)ev, (void)events;
    writer->holders++;
    finish_all(writer);
    if (has_ended(writer)) settle(writer);
    durable_writer_drop(writer);
}

/* Without holders there are no requests. */
void durable_writer_drop(struct durable_writer *writer) {
    if (--writer->holders || writer->ending) return;
    if (writer->has_thread) set_closing(writer, 1);
    else writer_free(writer);
}

/* The beginning. */

static struct durable_writer *find_open(struct loop *loop, const char *directory) {
    struct durable_writer *writer = loop->durables;
    while (writer && !durable_is_in(writer->durable, directory)) writer = writer->next;
    return writer;
}

static struct durable_writer *writer_new(struct loop *loop, const char *directory) {
    struct durable_writer *writer = calloc(1, sizeof *writer);
    char *copy = strdup(directory);
    if (!writer || !copy) {
        free(writer);
        free(copy);
        return NULL;
    }
    *writer = (struct durable_writer){.loop = loop, .directory = copy};
    job_list_init(&writer->fresh);
    job_list_init(&writer->done);
    job_list_init(&writer->queue);
    job_list_init(&writer->finished);
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->changed, NULL);
    ev_async_init(&writer->progressed, on_progressed);
    writer->progressed.data = writer;
    ev_async_start(loop->ev, &writer->progressed);
    writer->next = loop->durables;
    loop->durables = writer;
    loop->counts.durables++;
    loop->dirty_durables.flush = on_flush;
    return writer;
}

/* Holds one that is open; its thread may be about to end. */
static struct durable_writer *hold(struct durable_writer *writer, const struct durable_options *options) {
    if (!writer->holders++ && writer->has_thread) set_closing(writer, 0);
    if (options->sync) durable_be_sync(writer->durable);
    return writer;
}

struct durable_writer *durable_writer_open(struct loop *loop, const char *directory,
                                           const struct durable_options *options, int *error) {
    struct durable_writer *writer = find_open(loop, directory);
    *error = 0;
    if (writer) return hold(writer, options);
    writer = writer_new(loop, directory);
    if (!writer) return *error = ENOMEM, NULL;
    writer->holders = 1;
    *error = durable_open(&writer->durable, directory, options);
    if (!*error) return writer;
    writer_free(writer);
    return NULL;
}

struct durable *durable_writer_durable(const struct durable_writer *writer) {
    return writer->durable;
}

const char *durable_writer_directory(const struct durable_writer *writer) {
    return writer->directory;
}

/* The end of all. */

/* Whether the thread has ended in time. */
static int join_in_time(struct durable_writer *writer) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += END_SECONDS;
    set_closing(writer, 1);
    if (pthread_clockjoin_np(writer->thread, NULL, CLOCK_MONOTONIC, &until) == 0) return 1;
    pthread_mutex_lock(&writer->lock);
    writer->forsaken = 1;
    pthread_mutex_unlock(&writer->lock);
    return 0;
}

/* What is undone at the end is submitted again: so there may be more to write then. */
static int writer_end(struct durable_writer *writer) {
    struct durable_request *request;
    writer->ending = 1;
    while ((request = job_list_first(&writer->done))) durable_request_give_up(writer, request);
    do {
        hand_over(writer);
        start_thread_if_needed(writer);
        if (writer->has_thread && !join_in_time(writer)) return -1;
        writer->has_thread = writer->ended = 0;
        finish_all(writer);
    } while (writer->fresh.first);
    writer_free(writer);
    return 0;
}

int durable_end_all(struct loop *loop) {
    int result = 0;
    for (struct durable_writer *writer = loop->durables, *next; writer; writer = next) {
        next = writer->next;
        if (writer_end(writer) < 0) result = -1;
    }
    return result;
}
