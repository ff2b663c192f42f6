/* The records of a queue: its jobs, their places in the order of each state, and how many there are. */
#include "system/durable_private.h"

enum { JOB_SIZE = 1 + 4 + 8 + 8, COUNTERS_SIZE = 6 * 8 };

void place_begin(struct durable_key *key, uint32_t queue, enum job_state state) {
    key_begin(key, PLACE);
    key_add_u32(key, queue);
    key_add_byte(key, state);
}

static void place_key(struct durable_key *key, uint32_t queue, uint64_t id, const struct job *job) {
    place_begin(key, queue, job->state);
    if (job->state == JOB_DELAYED || job->state == JOB_TAKEN) key_add_u64(key, job->at);
    key_add_u64(key, id);
}

static void job_key(struct durable_key *key, enum durable_kind kind, uint32_t queue, uint64_t id) {
    key_begin(key, kind);
    key_add_u32(key, queue);
    key_add_u64(key, id);
}

int job_read(const struct durable_session *session, uint32_t queue, uint64_t id, struct job *job) {
    struct durable_key key;
    MDB_val value;
    *job = (struct job){.state = JOB_NONE};
    job_key(&key, JOB, queue, id);
    int error = session_get(session, &key, &value);
    if (error) return error == MDB_NOTFOUND ? 0 : error;
    const unsigned char *bytes = value.mv_data;
    if (value.mv_size != JOB_SIZE || bytes[0] > JOB_FAILED) return MDB_CORRUPTED;
    job->state = bytes[0];
    job->deliveries = read_u32(bytes + 1);
    job->at = read_u64(bytes + 5);
    job->duration = read_u64(bytes + 13);
    return 0;
}

static int job_write(const struct durable_session *session, uint32_t queue, uint64_t id, const struct job *job) {
    struct durable_key key;
    unsigned char bytes[JOB_SIZE];
    bytes[0] = (unsigned char)job->state;
    write_u32(bytes + 1, job->deliveries);
    write_u64(bytes + 5, job->at);
    write_u64(bytes + 13, job->duration);
    job_key(&key, JOB, queue, id);
    return session_put(session, &key, bytes, sizeof bytes);
}

int job_write_text(const struct durable_session *session, uint32_t queue, uint64_t id, struct span text) {
    struct durable_key key;
    job_key(&key, TEXT, queue, id);
    return session_put(session, &key, text.length ? text.bytes : "", text.length);
}

int job_read_text(const struct durable_session *session, uint32_t queue, uint64_t id, MDB_val *text) {
    struct durable_key key;
    job_key(&key, TEXT, queue, id);
    int error = session_get(session, &key, text);
    return error == MDB_NOTFOUND ? MDB_CORRUPTED : error;
}

static int job_remove(const struct durable_session *session, uint32_t queue, uint64_t id) {
    struct durable_key key;
    MDB_val text;
    int error = job_read_text(session, queue, id, &text); /* that it is whole */
    if (error) return error;
    job_key(&key, JOB, queue, id);
    if ((error = session_remove(session, &key))) return error;
    job_key(&key, TEXT, queue, id);
    return session_remove(session, &key);
}

static int leave_place(const struct durable_session *session, uint32_t queue, uint64_t id, const struct job *job) {
    struct durable_key key;
    if (job->state == JOB_NONE) return 0;
    place_key(&key, queue, id, job);
    return session_remove(session, &key);
}

static int enter_place(const struct durable_session *session, uint32_t queue, uint64_t id, const struct job *job) {
    struct durable_key key;
    if (job->state == JOB_NONE) return job_remove(session, queue, id);
    place_key(&key, queue, id, job);
    int error = session_put(session, &key, "", 0);
    return error ? error : job_write(session, queue, id, job);
}

int job_move(const struct durable_session *session, uint32_t queue, uint64_t id, struct job *job, enum job_state state,
             uint64_t duration) {
    struct counters counters;
    int error = counters_read(session, queue, &counters);
    if (!error) error = leave_place(session, queue, id, job);
    if (error) return error;
    counters.jobs[job->state]--;
    counters.jobs[state]++; /* those that are done are in JOB_NONE */
    job->state = state;
    job->duration = duration;
    job->at = session->now + duration;
    error = enter_place(session, queue, id, job);
    return error ? error : counters_write(session, queue, &counters);
}

static void counters_key(struct durable_key *key, uint32_t queue) {
    key_begin(key, COUNTERS);
    key_add_u32(key, queue);
}

int counters_read(const struct durable_session *session, uint32_t queue, struct counters *counters) {
    struct durable_key key;
    MDB_val value;
    *counters = (struct counters){0};
    counters_key(&key, queue);
    int error = session_get(session, &key, &value);
    if (error) return error == MDB_NOTFOUND ? 0 : error;
    if (value.mv_size != COUNTERS_SIZE) return MDB_CORRUPTED;
    counters->last = read_u64(value.mv_data);
    for (int i = 0; i < 5; i++) counters->jobs[i] = read_u64((const char *)value.mv_data + 8 + 8 * i);
    return 0;
}

int counters_write(const struct durable_session *session, uint32_t queue, const struct counters *counters) {
    struct durable_key key;
    unsigned char bytes[COUNTERS_SIZE];
    write_u64(bytes, counters->last);
    for (int i = 0; i < 5; i++) write_u64(bytes + 8 + 8 * i, counters->jobs[i]);
    counters_key(&key, queue);
    return session_put(session, &key, bytes, sizeof bytes);
}
