/* Stores: values by key, some of which expire. */
#include "system/durable_private.h"

#include "bytes/pack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXPIRY_SIZE = 8, LONGEST_NUMBER = 20 };

struct entry {
    int there, alive; /* alive: there, and not expired */
    uint64_t expiry;  /* 0: never */
    struct span value;
};

static void store_key(struct durable_key *key, uint32_t space, struct span text) {
    key_begin(key, STORE);
    key_add_u32(key, space);
    key_add_span(key, text);
}

static void expiry_key(struct durable_key *key, uint64_t expiry, uint32_t space, struct span text) {
    key_begin(key, EXPIRY);
    key_add_u64(key, expiry);
    key_add_u32(key, space);
    key_add_span(key, text);
}

static int has_expired(const struct durable_session *session, uint64_t expiry) {
    return expiry && expiry <= session->now;
}

static int entry_read(const struct durable_session *session, uint32_t space, struct span text, struct entry *entry) {
    struct durable_key key;
    MDB_val value;
    *entry = (struct entry){0};
    store_key(&key, space, text);
    int error = session_get(session, &key, &value);
    if (error) return error == MDB_NOTFOUND ? 0 : error;
    if (value.mv_size < EXPIRY_SIZE) return MDB_CORRUPTED;
    entry->there = 1;
    entry->expiry = read_u64(value.mv_data);
    entry->alive = !has_expired(session, entry->expiry);
    entry->value = (struct span){(const char *)value.mv_data + EXPIRY_SIZE, value.mv_size - EXPIRY_SIZE};
    return 0;
}

static int index_remove(const struct durable_session *session, uint32_t space, struct span text, uint64_t expiry) {
    struct durable_key key;
    if (!expiry) return 0;
    expiry_key(&key, expiry, space, text);
    int error = session_remove(session, &key);
    return error == MDB_NOTFOUND ? 0 : error;
}

static int index_add(const struct durable_session *session, uint32_t space, struct span text, uint64_t expiry) {
    struct durable_key key;
    if (!expiry) return 0;
    expiry_key(&key, expiry, space, text);
    return session_put(session, &key, "", 0);
}

static int entry_remove(const struct durable_session *session, uint32_t space, struct span text, uint64_t expiry) {
    struct durable_key key;
    store_key(&key, space, text);
    int error = session_remove(session, &key);
    return error ? error : index_remove(session, space, text, expiry);
}

static int entry_write(const struct durable_session *session, uint32_t space, struct span text, struct span value,
                       uint64_t expiry) {
    struct durable_key key;
    void *room;
    store_key(&key, space, text);
    int error = session_reserve(session, &key, EXPIRY_SIZE + value.length, &room);
    if (error) return error;
    write_u64(room, expiry);
    if (value.length) memcpy((char *)room + EXPIRY_SIZE, value.bytes, value.length);
    return 0;
}

static uint64_t expiry_of(const struct durable_session *session, const struct durable_operation *operation) {
    uint64_t left = UINT64_MAX - session->now;
    if (!operation->milliseconds) return 0;
    return operation->milliseconds < left ? session->now + operation->milliseconds : UINT64_MAX;
}

/* Puts the value in the place of what was there. */
static int entry_replace(const struct durable_session *session, struct durable_operation *operation,
                         const struct entry *old, struct span value, uint64_t expiry) {
    int error = 0;
    operation->found = 1;
    if (old->expiry != expiry) error = index_remove(session, operation->space, operation->key, old->expiry);
    if (!error && old->expiry != expiry) error = index_add(session, operation->space, operation->key, expiry);
    return error ? error : entry_write(session, operation->space, operation->key, value, expiry);
}

/* The same, when there is room. */
static int entry_change(const struct durable_session *session, struct durable_operation *operation,
                        const struct entry *old, struct span value, uint64_t expiry) {
    int has_room = 0;
    int error = session_check_room(session, value.length, &has_room);
    if (error) return error;
    if (!has_room) return operation->error = MDB_MAP_FULL, 0;
    return entry_replace(session, operation, old, value, expiry);
}

int durable_get(struct durable_session *session, struct durable_operation *operation) {
    struct entry entry;
    int error = entry_read(session, operation->space, operation->key, &entry);
    if (error || !entry.alive) return error;
    operation->found = 1;
    return session_give(session, operation, entry.value.bytes, entry.value.length);
}

int durable_set(struct durable_session *session, struct durable_operation *operation) {
    struct entry old;
    int error = entry_read(session, operation->space, operation->key, &old);
    if (error || (operation->flag && old.alive)) return error;
    return entry_change(session, operation, &old, operation->value, expiry_of(session, operation));
}

static int is_same(struct span a, struct span b) {
    return a.length == b.length && (!a.length || memcmp(a.bytes, b.bytes, a.length) == 0);
}

int durable_replace(struct durable_session *session, struct durable_operation *operation) {
    struct entry old;
    int error = entry_read(session, operation->space, operation->key, &old);
    if (error || !(old.alive ? !operation->flag && is_same(old.value, operation->other) : operation->flag))
        return error;
    return entry_change(session, operation, &old, operation->value, expiry_of(session, operation));
}

static int delete_one(const struct durable_session *session, struct durable_operation *operation, struct span text) {
    struct entry entry;
    int error = entry_read(session, operation->space, text, &entry);
    if (error || !entry.there) return error;
    operation->count += (uint64_t)entry.alive;
    return entry_remove(session, operation->space, text, entry.expiry);
}

int durable_delete(struct durable_session *session, struct durable_operation *operation) {
    const unsigned char *bytes = (const unsigned char *)operation->value.bytes;
    struct unpack from = {bytes, bytes + operation->value.length};
    struct span text;
    int error = 0;
    while (!error && (text.bytes = unpack_run(&from, &text.length))) error = delete_one(session, operation, text);
    return error;
}

static size_t write_number(char text[LONGEST_NUMBER + 1], int64_t number) {
    return (size_t)snprintf(text, LONGEST_NUMBER + 1, "%lld", (long long)number);
}

/* Whether the text is an integer, as increment writes it. */
static int read_number(struct span text, int64_t *number) {
    char copy[LONGEST_NUMBER + 1], again[LONGEST_NUMBER + 1];
    if (!text.length || text.length > LONGEST_NUMBER) return 0;
    memcpy(copy, text.bytes, text.length);
    copy[text.length] = '\0';
    *number = strtoll(copy, NULL, 10);
    return write_number(again, *number) == text.length && memcmp(again, text.bytes, text.length) == 0;
}

int durable_increment(struct durable_session *session, struct durable_operation *operation) {
    struct entry old;
    int64_t number = 0;
    char text[LONGEST_NUMBER + 1];
    int error = entry_read(session, operation->space, operation->key, &old);
    if (error) return error;
    if (old.alive && !read_number(old.value, &number)) return operation->error = DURABLE_NOT_A_NUMBER, 0;
    if (__builtin_add_overflow(number, operation->number, &number)) return operation->error = DURABLE_OUT_OF_RANGE, 0;
    operation->count = (uint64_t)number;
    struct span digits = {text, write_number(text, number)};
    return entry_change(session, operation, &old, digits, old.alive ? old.expiry : expiry_of(session, operation));
}

/* The value is copied, since LMDB moves what it has read when it writes. */
int durable_expire(struct durable_session *session, struct durable_operation *operation) {
    struct entry old;
    int error = entry_read(session, operation->space, operation->key, &old);
    if (error || !old.alive) return error;
    if (text_append(&operation->kept, old.value.bytes, old.value.length) < 0) return ENOMEM;
    struct span value = {operation->kept.bytes, operation->kept.length};
    error = entry_replace(session, operation, &old, value, expiry_of(session, operation));
    text_destroy(&operation->kept);
    return error;
}

/* Listing. */

/* Adds the key of the current entry. */
static int list_key(struct durable_operation *operation, const struct walk *walk) {
    size_t prefix = operation->key.length; /* that was taken off */
    return pack_run(&operation->kept, (const char *)walk->key.mv_data - prefix, walk->key.mv_size + prefix) < 0 ? ENOMEM
                                                                                                                : 0;
}

static int list_if_alive(const struct durable_session *session, struct durable_operation *operation,
                         const struct walk *walk) {
    if (walk->value.mv_size < EXPIRY_SIZE) return MDB_CORRUPTED;
    if (has_expired(session, read_u64(walk->value.mv_data))) return 0;
    operation->count++;
    return list_key(operation, walk);
}

static int list_keys(const struct durable_session *session, struct durable_operation *operation, struct walk *walk) {
    for (uint32_t seen = 0; seen < operation->most; seen++) {
        int there = walk_next(walk);
        if (there != 1) return there;
        int error = list_if_alive(session, operation, walk);
        if (error) return error;
    }
    operation->found = 1;
    return list_key(operation, walk);
}

int durable_keys(struct durable_session *session, struct durable_operation *operation) {
    struct walk walk;
    struct durable_key from;
    size_t prefix;
    store_key(&from, operation->space, operation->key);
    prefix = from.length;
    if (operation->other.bytes) {
        store_key(&from, operation->space, operation->other);
        key_add_byte(&from, 0); /* the next key that there can be */
    }
    int error = walk_begin(&walk, session, &from, prefix);
    if (error) return error;
    error = list_keys(session, operation, &walk);
    walk_end(&walk);
    return error ? error : operation_give_kept(operation);
}

/* What has expired. */

static int sweep_one(const struct durable_session *session, const struct durable_key *rest) {
    uint64_t expiry = read_u64(rest->bytes);
    uint32_t space = read_u32(rest->bytes + 8);
    struct span text = {(const char *)rest->bytes + 12, rest->length - 12};
    struct entry entry;
    int error = entry_read(session, space, text, &entry);
    if (error) return error;
    if (entry.there && entry.expiry == expiry) return entry_remove(session, space, text, expiry);
    return index_remove(session, space, text, expiry);
}

unsigned session_sweep(const struct durable_session *session, unsigned most, int *error) {
    struct durable_key prefix, rest;
    unsigned swept = 0;
    key_begin(&prefix, EXPIRY);
    *error = 0;
    while (swept < most && !(*error = session_first(session, &prefix, &rest))) {
        if (rest.length < 12) *error = MDB_CORRUPTED;
        if (*error || read_u64(rest.bytes) > session->now) return swept;
        if ((*error = sweep_one(session, &rest))) return swept;
        swept++;
    }
    if (*error == MDB_NOTFOUND) *error = 0;
    return swept;
}
