/* What the parts of durable share: the transaction and the keys. There is one tree. Numbers in keys are big-endian, so
 * that their order is the order of the keys:
 *   FORMAT                        what this is
 *   NEXT                          u32: the last number that was given to a name
 *   NAME kind text                u32: the number of a store or a queue
 *   STORE space key               u64 expiry or 0, value
 *   EXPIRY u64 space key          nothing
 *   COUNTERS queue                struct counters
 *   JOB queue id                  struct job
 *   TEXT queue id                 the job's text, which is written once
 *   PLACE queue state [u64] id    nothing: the jobs in a state, in order; the u64 is job.at, where the state has one */
#ifndef PERIGEE_SYSTEM_DURABLE_PRIVATE_H
#define PERIGEE_SYSTEM_DURABLE_PRIVATE_H

#include "system/durable.h"

#include <lmdb.h>
#include <pthread.h>

enum durable_kind { FORMAT, NEXT, NAME, STORE, EXPIRY, COUNTERS, JOB, TEXT, PLACE };

enum { DURABLE_KEY_ROOM = 511 };

struct durable {
    MDB_env *env;
    MDB_dbi tree;
    MDB_txn *reader;     /* of the thread that reads; reset between reads; NULL: there was no room for it yet */
    pthread_mutex_t map; /* held while it is read, and while the map is replaced */
    uint64_t size;       /* that may be used; the map is larger, so that a full one can be emptied */
    size_t page;
    uint64_t length; /* of the file, at least */
    int known;       /* the format has been written */
    int64_t shift;   /* of the clock; read by the thread that writes */
};

struct durable_session {
    struct durable *durable;
    MDB_txn *txn;
    uint64_t now;
    int writes;
};

struct durable_key {
    unsigned char bytes[DURABLE_KEY_ROOM];
    size_t length;
};

/* A key is made of its parts; the caller knows that they fit. */
void key_begin(struct durable_key *key, enum durable_kind kind);
void key_add_byte(struct durable_key *key, unsigned byte);
void key_add_u32(struct durable_key *key, uint32_t number);
void key_add_u64(struct durable_key *key, uint64_t number);
void key_add_span(struct durable_key *key, struct span span);

uint32_t read_u32(const void *bytes);
uint64_t read_u64(const void *bytes);
void write_u32(void *bytes, uint32_t number);
void write_u64(void *bytes, uint64_t number);

uint64_t durable_now(const struct durable *durable);

/* Whether the tree is of this program: 0; MDB_NOTFOUND: it is empty; or an error. */
int session_check_format(const struct durable_session *session);
int session_write_format(const struct durable_session *session); /* checks it, and writes it into an empty tree */

/* They return 0 or an error. */
int session_get(const struct durable_session *session, const struct durable_key *key, MDB_val *value);
int session_put(const struct durable_session *session, const struct durable_key *key, const void *bytes, size_t length);
int session_reserve(const struct durable_session *session, const struct durable_key *key, size_t length, void **room);
int session_remove(const struct durable_session *session, const struct durable_key *key);

/* The first or the last entry whose key begins with the prefix: the bytes of the key behind it. MDB_NOTFOUND. */
int session_first(const struct durable_session *session, const struct durable_key *prefix, struct durable_key *rest);
int session_last(const struct durable_session *session, const struct durable_key *prefix, struct durable_key *rest);

/* Entries whose keys begin with the prefix, from `from` on, which begins with it too. walk_next: 1, 0 at the end, or an
 * error (they are negative, or errno values above 1). */
struct walk {
    MDB_cursor *cursor;
    size_t prefix; /* bytes */
    struct durable_key from;
    MDB_val key, value; /* the current entry; key: behind the prefix */
    MDB_cursor_op next;
};
int walk_begin(struct walk *walk, const struct durable_session *session, const struct durable_key *from, size_t prefix);
int walk_next(struct walk *walk);
void walk_end(struct walk *walk);

/* Whether so many bytes more may be stored; makes room by removing what has expired. An error that is not 0 has spoilt
 * the transaction. */
int session_check_room(const struct durable_session *session, size_t length, int *has_room);
/* Removes at most so many entries of stores that have expired: how many, or an error in *error. */
unsigned session_sweep(const struct durable_session *session, unsigned most, int *error);

/* Makes bytes of the transaction the result. */
int session_give(const struct durable_session *session, struct durable_operation *operation, const void *bytes,
                 size_t length);
/* Makes what was added to operation->kept the result. Returns 0. */
int operation_give_kept(struct durable_operation *operation);

enum job_state { JOB_NONE, JOB_WAITING, JOB_DELAYED, JOB_TAKEN, JOB_FAILED };

struct job {
    enum job_state state;
    uint32_t deliveries;
    uint64_t at;       /* when a delay or a lease ends */
    uint64_t duration; /* of it: `at` is never further away, if the clock is right */
};

int job_read(const struct durable_session *session, uint32_t queue, uint64_t id, struct job *job); /* JOB_NONE: none */
/* Puts it into another state, with `at` in `duration` from now where the state has it. JOB_NONE: it is removed. */
int job_move(const struct durable_session *session, uint32_t queue, uint64_t id, struct job *job, enum job_state state,
             uint64_t duration);
int job_write_text(const struct durable_session *session, uint32_t queue, uint64_t id, struct span text);
int job_read_text(const struct durable_session *session, uint32_t queue, uint64_t id, MDB_val *text);
void place_begin(struct durable_key *key, uint32_t queue,
                 enum job_state state); /* what a place in a state begins with */

struct counters {
    uint64_t last;    /* id that was given */
    uint64_t jobs[5]; /* by state */
};
int counters_read(const struct durable_session *session, uint32_t queue, struct counters *counters);
int counters_write(const struct durable_session *session, uint32_t queue, const struct counters *counters);

#endif
