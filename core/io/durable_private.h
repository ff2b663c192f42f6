/* What the loop's side (durable.c) and the thread's side (durable_thread.c) share. */
#ifndef PERIGEE_IO_DURABLE_PRIVATE_H
#define PERIGEE_IO_DURABLE_PRIVATE_H

#include "io/durable.h"

#include <pthread.h>

struct request_list {
    struct durable_request *first, **end;
};

struct durable_writer {
    struct loop *loop;
    struct durable *durable;
    struct durable_writer *next; /* of the loop's */
    char *directory;
    unsigned holders;
    struct dirty dirty;
    struct request_list fresh; /* submitted in this pass */
    struct request_list done;  /* not freed yet */
    int ending;                /* the tasks are gone: what is done is given up */
    ev_async progressed;
    int has_thread;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below, and of the links and the progress of requests that are not fresh */
    pthread_cond_t changed;
    struct request_list queue, finished;
    int closing;  /* the thread is to end when the queue is empty */
    int ended;    /* it has */
    int forsaken; /* the loop is gone */
};

static inline void request_list_init(struct request_list *list) {
    list->first = NULL;
    list->end = &list->first;
}

static inline void request_list_add(struct request_list *list, struct durable_request *request) {
    request->next = NULL;
    request->link = list->end;
    *list->end = request;
    list->end = &request->next;
}

static inline void request_list_remove(struct request_list *list, struct durable_request *request) {
    *request->link = request->next;
    if (request->next) request->next->link = request->link;
    else list->end = request->link;
}

static inline struct durable_request *request_list_take(struct request_list *list) {
    struct durable_request *request = list->first;
    if (request) request_list_remove(list, request);
    return request;
}

int durable_thread_start(struct durable_writer *writer); /* 0, or -1 with errno */

#endif
