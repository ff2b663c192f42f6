/* Stores and queues on disk: an LMDB environment, a directory that processes share and that a crash at any moment
 * leaves whole. Operations are run in transactions: durable_run does many in one, on a thread that may block;
 * durable_read does one, on another thread, without waiting for writers.
 * Owner: whoever opened it. Invariant: a process opens a directory once at a time, LMDB's locks would be lost
 * otherwise; one thread writes, one reads. */
#ifndef PERIGEE_SYSTEM_DURABLE_H
#define PERIGEE_SYSTEM_DURABLE_H

#include "bytes/span.h"
#include "bytes/text.h"

#include <stddef.h>
#include <stdint.h>

struct durable;
struct durable_session; /* a transaction */

enum {
    DURABLE_NAME_MOST = 255, /* bytes of the name of a store or a queue */
    DURABLE_KEY_MOST = 498,  /* of a key in a store: LMDB's 511 with what the index of expiries adds */
    DURABLE_VALUE_MOST = 16 * 1024 * 1024
};

/* Errors are 0, an errno value, LMDB's, which are negative, or: */
enum {
    DURABLE_FOREIGN = -31000, /* an LMDB database of somebody else */
    DURABLE_TRUNCATED,        /* the file has been cut */
    DURABLE_NOT_A_NUMBER,     /* what is to be incremented */
    DURABLE_OUT_OF_RANGE      /* an increment beyond 64 bits */
};

struct durable_options {
    uint64_t size; /* bytes that it may use */
    int sync;      /* what was acknowledged outlives the power */
};

/* 0, or an error. */
int durable_open(struct durable **durable, const char *directory, const struct durable_options *options);
void durable_close(struct durable *durable);
/* Whether it is the one of a directory: by its file, whatever the directory is called. */
int durable_is_in(const struct durable *durable, const char *directory);
void durable_be_sync(struct durable *durable);                    /* from now on */
void durable_shift_clock(struct durable *durable, int64_t shift); /* the time it goes by; for specs */
uint64_t durable_size(const struct durable *durable);

const char *durable_message(int error);
int durable_is_full(int error);    /* there is no room: of the environment, the disk or a limit */
int durable_is_damaged(int error); /* the file is not what was written */

/* One operation: what it works on, and what came of it. */
struct durable_operation {
    /* Returns 0 and has its own `error` or result; or an error that has spoilt the transaction. */
    int (*run)(struct durable_session *session, struct durable_operation *operation);
    uint32_t space;        /* the store or the queue */
    struct span name;      /* of a space */
    struct span key;       /* or the prefix of keys */
    struct span value;     /* the text of a job; keys or jobs that are packed, see each operation */
    struct span other;     /* the value to be replaced; the key to go on after */
    int64_t number;        /* to increment by */
    uint64_t id;           /* of a job; to go on after */
    uint64_t milliseconds; /* until it expires, of a lease, of a delay; 0: none */
    uint32_t deliveries;   /* that the holder of a job was told */
    uint32_t most;         /* deliveries before a job has failed; entries to list */
    int flag;              /* of set: only when there is none; of replace: when there is none, too */
    int error;             /* 0, or an error: it has changed nothing */
    int found;             /* whether it has done, or found, what it was to */
    uint64_t count;        /* or the new number, the job's id */
    uint64_t others[3];    /* counts */
    struct span result;    /* the value; in a transaction that reads, as long as that lasts; else in `kept` */
    struct text kept;      /* the operation's own memory */
};

void durable_operation_clear(struct durable_operation *operation); /* frees what came of it */

/* Runs the operations, in order, in as few transactions as can be: each has its `error`. */
void durable_run(struct durable *durable, struct durable_operation **operations, size_t count);

/* Runs an operation that only reads; its result lasts until durable_end_read. Returns -1 when it has to be run by
 * durable_run, as there is no way to read now; then there is nothing to end. */
int durable_read(struct durable *durable, struct durable_operation *operation);
void durable_end_read(struct durable *durable);

/* Stores and queues are known by numbers. found: count is the number. */
int durable_find_name(struct durable_session *session, struct durable_operation *operation); /* reads */
int durable_make_name(struct durable_session *session, struct durable_operation *operation);

/* Stores. `found` tells whether it was done. */
int durable_get(struct durable_session *session, struct durable_operation *operation); /* reads */
int durable_set(struct durable_session *session, struct durable_operation *operation);
int durable_replace(struct durable_session *session, struct durable_operation *operation);
int durable_delete(struct durable_session *session, struct durable_operation *operation); /* value: keys as runs */
int durable_increment(struct durable_session *session, struct durable_operation *operation);
int durable_expire(struct durable_session *session, struct durable_operation *operation);
/* The keys with the prefix `key`, after `other`, as runs in result; `count` of them. found: there may be more, after
 * the last run, which is not counted. reads */
int durable_keys(struct durable_session *session, struct durable_operation *operation);

/* Queues: first in, first out. A job that was taken belongs to its taker, who is known by `id` and `deliveries`, until
 * its lease ends. */
int durable_put(struct durable_session *session, struct durable_operation *operation); /* count: the job's id */
/* found: count is the job's id, `others` its deliveries and the jobs that wait behind it, result the text. Not: count
 * is in how many milliseconds there may be a job, UINT64_MAX: unknown. Before the text are the ids, as sizes, of
 * others[2] jobs whose leases have ended too often: they have failed. */
int durable_take(struct durable_session *session, struct durable_operation *operation);
int durable_done(struct durable_session *session, struct durable_operation *operation);
int durable_release(struct durable_session *session, struct durable_operation *operation);
int durable_untake(struct durable_session *session, struct durable_operation *operation); /* as if it never was */
/* value: ids and deliveries, as sizes; result: the ids of those that are held no more, as sizes. */
int durable_extend(struct durable_session *session, struct durable_operation *operation);
int durable_retry(struct durable_session *session, struct durable_operation *operation);
/* others: how many jobs wait, are taken, have failed. reads */
int durable_counts(struct durable_session *session, struct durable_operation *operation);
/* Jobs that have failed, after `id`: id and deliveries as sizes, text as a run; count of them. found: there may be
 * more. reads */
int durable_failed(struct durable_session *session, struct durable_operation *operation);

#endif
