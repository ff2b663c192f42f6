/* task.offload: a function runs in a thread with a Lua state of its own; what it is given and what it returns travel in
 * parcels. Owner of a call: its object in Lua, and after that has given it up, the pool until it is done. */
#ifndef PERIGEE_BINDING_OFFLOAD_H
#define PERIGEE_BINDING_OFFLOAD_H

#include "binding/parcel.h"
#include "io/offload.h"
#include "io/waiter.h"

struct offload_state;

/* What the runtime has of it. */
struct offloading {
    struct offload *pool;
    size_t memory; /* bytes that the Lua state of a thread may have */
};

enum offload_outcome { OFFLOAD_UNDER_WAY, OFFLOAD_RETURNED, OFFLOAD_FAILED, OFFLOAD_NO_STATE };

struct offload_call {
    struct offload_job job; /* first, so that its address is the call's */
    struct parcel in;       /* the function and its arguments */
    struct parcel out;      /* the results; or the error and its traceback */
    size_t memory;
    enum offload_outcome outcome;
    struct offload_state *state; /* that it runs in, for the signal handler; NULL: in none */
    /* Of the loop alone: */
    struct offloading *offloading;
    struct waiter *waiter; /* NULL: nobody waits */
    int submitted, done, abandoned;
};

/* A job's run and stop, and what a thread does with its state when it rests and when it ends. */
void offload_state_run(struct offload_job *job, void **context);
void offload_state_stop(struct offload_job *job);
void offload_state_rest(void *context);
void offload_state_free(void *context);

/* 0, or -1 when a thread could not be ended: see offload_free. */
int offloading_free(struct offloading *offloading);
unsigned offloading_count(const struct offloading *offloading); /* calls that are not done, given up or not */

#endif
