/* The numbers by which stores and queues are known, so that keys are short. */
#include "system/durable_private.h"

static void name_key(struct durable_key *key, struct span name) {
    key_begin(key, NAME);
    key_add_span(key, name);
}

static int read_number(const struct durable_session *session, const struct durable_key *key, uint32_t *number) {
    MDB_val value;
    int error = session_get(session, key, &value);
    if (error) return error;
    if (value.mv_size != sizeof *number) return MDB_CORRUPTED;
    *number = read_u32(value.mv_data);
    return 0;
}

int durable_find_name(struct durable_session *session, struct durable_operation *operation) {
    struct durable_key key;
    uint32_t number;
    name_key(&key, operation->name);
    int error = read_number(session, &key, &number);
    if (error) return error == MDB_NOTFOUND ? 0 : error;
    operation->found = 1;
    operation->count = number;
    return 0;
}

static int write_number(const struct durable_session *session, const struct durable_key *key, uint32_t number) {
    unsigned char bytes[sizeof number];
    write_u32(bytes, number);
    return session_put(session, key, bytes, sizeof bytes);
}

static int next_number(const struct durable_session *session, uint32_t *number) {
    struct durable_key key;
    key_begin(&key, NEXT);
    int error = read_number(session, &key, number);
    if (error == MDB_NOTFOUND) *number = 0;
    else if (error) return error;
    if (*number == UINT32_MAX) return MDB_MAP_FULL;
    ++*number;
    return write_number(session, &key, *number);
}

int durable_make_name(struct durable_session *session, struct durable_operation *operation) {
    struct durable_key key;
    uint32_t number;
    int has_room = 0;
    int error = durable_find_name(session, operation);
    if (error || operation->found) return error;
    if ((error = session_check_room(session, operation->name.length, &has_room))) return error;
    if (!has_room) return operation->error = MDB_MAP_FULL, 0;
    if ((error = next_number(session, &number))) return error;
    operation->found = 1;
    operation->count = number;
    name_key(&key, operation->name);
    return write_number(session, &key, number);
}
