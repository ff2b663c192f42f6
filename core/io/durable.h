/* Durable environments on the loop. What the tasks of a pass want written is handed to a thread of the environment,
 * which writes all of it in one transaction, so that neither the disk nor another process holds up the loop; then each
 * request is done in the loop.
 * Owner: the loop has the environments, each with its holders, of which a request that was submitted is one; after the
 * last one it is closed. Invariant: a request that was submitted is freed once, or given up. */
#ifndef PERIGEE_IO_DURABLE_H
#define PERIGEE_IO_DURABLE_H

#include "io/job_list.h"
#include "io/loop.h"
#include "io/waiter.h"
#include "system/durable.h"

struct durable_writer;
struct durable_request;

enum durable_progress { REQUEST_FRESH, REQUEST_QUEUED, REQUEST_UNDER_WAY };

struct durable_request {
    struct job_node node;               /* first, so that its address is the request's */
    struct durable_operation operation; /* what it points to is the request's memory */
    /* Runs on the same operation when it was found, but nobody is there to have it; NULL: nothing has to be undone. */
    int (*undo)(struct durable_session *session, struct durable_operation *operation);
    struct waiter *waiter; /* is woken when it is done; NULL: nobody waits */
    enum durable_progress progress;
    int done, given_up; /* known to the loop alone */
};

/* The environment in a directory, held once more: the one that is open, or a new one. NULL with an error of
 * system/durable.h. Of one that is open already the options hold, but `sync` is turned on when it is wanted. */
struct durable_writer *durable_writer_open(struct loop *loop, const char *directory,
                                           const struct durable_options *options, int *error);
void durable_writer_drop(struct durable_writer *writer);
struct durable *durable_writer_durable(const struct durable_writer *writer);
const char *durable_writer_directory(const struct durable_writer *writer);

/* A request with room behind it for `length` bytes: *room. NULL when out of memory. */
struct durable_request *durable_request_new(size_t length, char **room);

/* Submits a request: 0; or -1 with errno, when there is no thread, and the request is freed. */
int durable_request_submit(struct durable_writer *writer, struct durable_request *request);
/* Frees a request that is done. The writer may be gone then. */
void durable_request_free(struct durable_writer *writer, struct durable_request *request);
/* Nobody wants its result, done or not: it is undone where that is needed, and freed. */
void durable_request_give_up(struct durable_writer *writer, struct durable_request *request);

/* Ends all that are left, before the loop is destroyed: what was submitted is written, and given up. 0; or -1 when a
 * thread did not end within three seconds: it goes on, and the process is to end by _exit(2). */
int durable_end_all(struct loop *loop);

#endif
