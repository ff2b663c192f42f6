/* Queues: what the holder of a job does with it, and looking at a queue. */
#include "system/durable_private.h"

#include "bytes/pack.h"

#include <errno.h>

/* The job that the operation is about, when it is still its holder's: then found is 1. */
static int find_held(const struct durable_session *session, struct durable_operation *operation, uint64_t id,
                     uint32_t deliveries, struct job *job) {
    int error = job_read(session, operation->space, id, job);
    operation->found = !error && job->state == JOB_TAKEN && job->deliveries == deliveries;
    return error;
}

int durable_done(struct durable_session *session, struct durable_operation *operation) {
    struct job job;
    int error = find_held(session, operation, operation->id, operation->deliveries, &job);
    if (error || !operation->found) return error;
    return job_move(session, operation->space, operation->id, &job, JOB_NONE, 0);
}

int durable_release(struct durable_session *session, struct durable_operation *operation) {
    struct job job;
    int error = find_held(session, operation, operation->id, operation->deliveries, &job);
    if (error || !operation->found) return error;
    enum job_state state = operation->milliseconds ? JOB_DELAYED : JOB_WAITING;
    if (operation->most && job.deliveries >= operation->most) state = JOB_FAILED;
    uint64_t delay = state == JOB_DELAYED ? operation->milliseconds : 0;
    return job_move(session, operation->space, operation->id, &job, state, delay);
}

int durable_untake(struct durable_session *session, struct durable_operation *operation) {
    struct job job;
    int error = find_held(session, operation, operation->id, operation->deliveries, &job);
    if (error || !operation->found) return error;
    job.deliveries--;
    return job_move(session, operation->space, operation->id, &job, JOB_WAITING, 0);
}

static int extend_one(const struct durable_session *session, struct durable_operation *operation, uint64_t id,
                      uint64_t deliveries) {
    struct job job;
    int error = find_held(session, operation, id, (uint32_t)deliveries, &job);
    if (error) return error;
    if (!operation->found) return pack_size(&operation->kept, id) < 0 ? ENOMEM : 0;
    return job_move(session, operation->space, id, &job, JOB_TAKEN, operation->milliseconds);
}

int durable_extend(struct durable_session *session, struct durable_operation *operation) {
    const unsigned char *bytes = (const unsigned char *)operation->value.bytes;
    struct unpack from = {bytes, bytes + operation->value.length};
    uint64_t id, deliveries;
    int error = 0;
    while (!error && unpack_size(&from, &id) == 0 && unpack_size(&from, &deliveries) == 0)
        error = extend_one(session, operation, id, deliveries);
    return error ? error : operation_give_kept(operation);
}

int durable_retry(struct durable_session *session, struct durable_operation *operation) {
    struct job job;
    int error = job_read(session, operation->space, operation->id, &job);
    operation->found = !error && job.state == JOB_FAILED;
    if (error || !operation->found) return error;
    job.deliveries = 0;
    return job_move(session, operation->space, operation->id, &job, JOB_WAITING, 0);
}

/* Looking. */

enum { EXPIRED_MOST = 10000 /* leases that are looked at */ };

/* How many leases have ended, though nobody has noticed yet. */
static int count_expired(const struct durable_session *session, uint32_t queue, uint64_t *count) {
    struct walk walk;
    struct durable_key prefix;
    int there;
    place_begin(&prefix, queue, JOB_TAKEN);
    int error = walk_begin(&walk, session, &prefix, prefix.length);
    if (error) return error;
    while (*count < EXPIRED_MOST && (there = walk_next(&walk)) == 1 && read_u64(walk.key.mv_data) <= session->now)
        ++*count;
    walk_end(&walk);
    return 0;
}

int durable_counts(struct durable_session *session, struct durable_operation *operation) {
    struct counters counters;
    uint64_t expired = 0;
    int error = counters_read(session, operation->space, &counters);
    if (!error) error = count_expired(session, operation->space, &expired);
    if (error) return error;
    operation->found = 1;
    operation->others[0] = counters.jobs[JOB_WAITING] + counters.jobs[JOB_DELAYED] + expired;
    operation->others[1] = counters.jobs[JOB_TAKEN] - expired;
    operation->others[2] = counters.jobs[JOB_FAILED];
    return 0;
}

enum { LISTED_BYTES = 1024 * 1024 };

static int list_failed(const struct durable_session *session, struct durable_operation *operation, uint64_t id) {
    struct job job;
    MDB_val text;
    int error = job_read(session, operation->space, id, &job);
    if (!error) error = job_read_text(session, operation->space, id, &text);
    if (error) return error;
    operation->count++;
    int failed = pack_size(&operation->kept, id) < 0 || pack_size(&operation->kept, job.deliveries) < 0 ||
                 pack_run(&operation->kept, text.mv_data, text.mv_size) < 0;
    return failed ? ENOMEM : 0;
}

static int list_all_failed(const struct durable_session *session, struct durable_operation *operation,
                           struct walk *walk) {
    while (operation->count < operation->most && operation->kept.length < LISTED_BYTES) {
        int there = walk_next(walk);
        if (there != 1) return there;
        int error = list_failed(session, operation, read_u64(walk->key.mv_data));
        if (error) return error;
    }
    operation->found = 1;
    return 0;
}

int durable_failed(struct durable_session *session, struct durable_operation *operation) {
    struct walk walk;
    struct durable_key from;
    place_begin(&from, operation->space, JOB_FAILED);
    size_t prefix = from.length;
    key_add_u64(&from, operation->id + 1);
    int error = walk_begin(&walk, session, &from, prefix);
    if (error) return error;
    error = list_all_failed(session, operation, &walk);
    walk_end(&walk);
    return error ? error : operation_give_kept(operation);
}
