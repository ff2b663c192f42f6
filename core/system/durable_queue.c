/* Queues: putting and taking, and giving back what the taker has not done in time. */
#include "system/durable_private.h"

#include "bytes/pack.h"

#include <errno.h>

enum { RECLAIMED = 64 /* jobs, by the way */ };

int durable_put(struct durable_session *session, struct durable_operation *operation) {
    struct counters counters;
    struct job job = {.state = JOB_NONE};
    int has_room = 0;
    int error = session_check_room(session, operation->value.length, &has_room);
    if (error) return error;
    if (!has_room) return operation->error = MDB_MAP_FULL, 0;
    if ((error = counters_read(session, operation->space, &counters))) return error;
    uint64_t id = operation->count = ++counters.last, delay = operation->milliseconds;
    counters.jobs[JOB_NONE]++; /* job_move takes it from there */
    if ((error = counters_write(session, operation->space, &counters))) return error;
    if ((error = job_write_text(session, operation->space, id, operation->value))) return error;
    operation->found = 1;
    return job_move(session, operation->space, id, &job, delay ? JOB_DELAYED : JOB_WAITING, delay);
}

/* The taker has not done it. */
static int give_back(const struct durable_session *session, uint32_t queue, uint64_t id, struct job *job, uint32_t most,
                     uint64_t delay) {
    enum job_state state = most && job->deliveries >= most ? JOB_FAILED : delay ? JOB_DELAYED : JOB_WAITING;
    return job_move(session, queue, id, job, state, state == JOB_DELAYED ? delay : 0);
}

/* The first (or the last) in a state that is ordered by time. */
static int find_timed(const struct durable_session *session, uint32_t queue, enum job_state state, int last,
                      uint64_t *at, uint64_t *id) {
    struct durable_key prefix, rest;
    place_begin(&prefix, queue, state);
    int error = last ? session_last(session, &prefix, &rest) : session_first(session, &prefix, &rest);
    if (error) return error;
    if (rest.length != 16) return MDB_CORRUPTED;
    *at = read_u64(rest.bytes);
    *id = read_u64(rest.bytes + 8);
    return 0;
}

/* Notes that nobody gets the job any more. */
static int note_failed(struct durable_operation *operation, uint64_t id) {
    operation->others[2]++;
    return pack_size(&operation->kept, id) < 0 ? ENOMEM : 0;
}

static int reclaim_first(const struct durable_session *session, struct durable_operation *operation,
                         enum job_state state) {
    uint64_t at, id;
    struct job job;
    int error = find_timed(session, operation->space, state, 0, &at, &id);
    if (error) return error;
    if (at > session->now) return MDB_NOTFOUND;
    if ((error = job_read(session, operation->space, id, &job))) return error;
    if (job.state != state) return MDB_CORRUPTED;
    error = give_back(session, operation->space, id, &job, state == JOB_TAKEN ? operation->most : 0, 0);
    return error || job.state != JOB_FAILED ? error : note_failed(operation, id);
}

/* One whose end is further away than it ever was, since the clock was put back: it gets its duration from now on. */
static int reclaim_from_future(const struct durable_session *session, uint32_t queue, enum job_state state) {
    uint64_t at, id;
    struct job job;
    int error = find_timed(session, queue, state, 1, &at, &id);
    if (error) return error;
    if ((error = job_read(session, queue, id, &job))) return error;
    if (job.state != state) return MDB_CORRUPTED;
    if (at <= session->now || at - session->now <= job.duration) return MDB_NOTFOUND;
    return job_move(session, queue, id, &job, state, job.duration);
}

static int reclaim_all_from_future(const struct durable_session *session, uint32_t queue, enum job_state state) {
    int error = 0;
    for (int i = 0; i < RECLAIMED && !error; i++) error = reclaim_from_future(session, queue, state);
    return error == MDB_NOTFOUND ? 0 : error;
}

/* Jobs of a state whose time has come wait again. */
static int reclaim(const struct durable_session *session, struct durable_operation *operation, enum job_state state) {
    int error = reclaim_all_from_future(session, operation->space, state);
    for (int i = 0; i < RECLAIMED && !error; i++) error = reclaim_first(session, operation, state);
    return error == MDB_NOTFOUND ? 0 : error;
}

static int find_due(const struct durable_session *session, struct durable_operation *operation, enum job_state state) {
    uint64_t at, id;
    int error = find_timed(session, operation->space, state, 0, &at, &id);
    if (error) return error == MDB_NOTFOUND ? 0 : error;
    uint64_t left = at > session->now ? at - session->now : 0;
    if (left < operation->count) operation->count = left;
    return 0;
}

/* No job waits: when there may be one. */
static int take_none(const struct durable_session *session, struct durable_operation *operation) {
    operation->count = UINT64_MAX;
    operation_give_kept(operation);
    int error = find_due(session, operation, JOB_DELAYED);
    return error ? error : find_due(session, operation, JOB_TAKEN);
}

static int take_job(const struct durable_session *session, struct durable_operation *operation, uint64_t id) {
    struct counters counters;
    struct job job;
    MDB_val text;
    int error = job_read(session, operation->space, id, &job);
    if (error || job.state != JOB_WAITING) return error ? error : MDB_CORRUPTED;
    job.deliveries++;
    error = job_move(session, operation->space, id, &job, JOB_TAKEN, operation->milliseconds);
    if (!error) error = job_read_text(session, operation->space, id, &text);
    if (!error) error = counters_read(session, operation->space, &counters);
    if (error) return error;
    operation->found = 1;
    operation->count = id;
    operation->others[0] = operation->deliveries = job.deliveries;
    operation->others[1] = counters.jobs[JOB_WAITING];
    operation->id = id;
    return session_give(session, operation, text.mv_data, text.mv_size);
}

int durable_take(struct durable_session *session, struct durable_operation *operation) {
    struct durable_key prefix, rest;
    int error = reclaim(session, operation, JOB_DELAYED);
    if (!error) error = reclaim(session, operation, JOB_TAKEN);
    if (error) return error;
    place_begin(&prefix, operation->space, JOB_WAITING);
    error = session_first(session, &prefix, &rest);
    if (error == MDB_NOTFOUND) return take_none(session, operation);
    if (!error && rest.length != 8) error = MDB_CORRUPTED;
    return error ? error : take_job(session, operation, read_u64(rest.bytes));
}
