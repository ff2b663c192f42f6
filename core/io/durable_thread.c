#include "io/durable_private.h"

#include <errno.h>
#include <signal.h>

enum { BATCH = 1024 /* requests */, BATCH_BYTES = 32 * 1024 * 1024 };

struct batch {
    struct durable_request *requests[BATCH];
    struct durable_operation *operations[BATCH];
    size_t count;
};

/* Takes what is queued, up to the limits. The lock is held. */
static void batch_fill(struct batch *batch, struct job_list *queue) {
    size_t bytes = 0;
    batch->count = 0;
    while (queue->first && batch->count < BATCH && bytes < BATCH_BYTES) {
        struct durable_request *request = job_list_take(queue);
        request->progress = REQUEST_UNDER_WAY;
        bytes += request->operation.value.length;
        batch->requests[batch->count] = request;
        batch->operations[batch->count++] = &request->operation;
    }
}

/* The lock is held, but not while it writes. */
static void batch_run(struct batch *batch, struct durable_writer *writer) {
    pthread_mutex_unlock(&writer->lock);
    durable_run(writer->durable, batch->operations, batch->count);
    pthread_mutex_lock(&writer->lock);
    for (size_t i = 0; i < batch->count; i++) {
        job_list_add(&writer->finished, &batch->requests[i]->node);
    }
}

static void tell(struct durable_writer *writer) {
    if (!writer->forsaken) ev_async_send(writer->loop->ev, &writer->progressed);
}

static void *thread_main(void *argument) {
    struct durable_writer *writer = argument;
    struct batch batch;
    pthread_setname_np(pthread_self(), "durable");
    pthread_mutex_lock(&writer->lock);
    for (;;) {
        while (!writer->queue.first && !writer->closing) pthread_cond_wait(&writer->changed, &writer->lock);
        if (!writer->queue.first) break;
        batch_fill(&batch, &writer->queue);
        batch_run(&batch, writer);
        tell(writer);
    }
    writer->ended = 1;
    tell(writer);
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* With all signals blocked, which the thread inherits: one for a file that is too large is an error then. */
int durable_thread_start(struct durable_writer *writer) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&writer->thread, NULL, thread_main, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) return errno = error, -1;
    writer->has_thread = 1;
    return 0;
}
