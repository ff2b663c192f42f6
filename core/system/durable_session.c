#include "system/durable_private.h"

#include <errno.h>
#include <string.h>

static const char OURS[] = "perigee 1";

/* Single entries. */

static MDB_val value_of(const struct durable_key *key) {
    return (MDB_val){.mv_size = key->length, .mv_data = (void *)key->bytes};
}

/* A long value has pages for itself, and LMDB believes their head: it would give back as many pages as that says. */
static int check_long_value(const struct durable_session *session, size_t key_length, const MDB_val *value) {
    enum { NODE_HEAD = 8, PAGE_HEAD = 16, FLAGS_AT = 10, COUNT_AT = 12, LONG_VALUE = 4 /* a flag */ };
    const char *head = (const char *)value->mv_data - PAGE_HEAD;
    size_t page = session->durable->page, longest_node = ((page - PAGE_HEAD) / 2 & ~(size_t)1) - 2;
    uint16_t flags;
    uint32_t count;
    if (NODE_HEAD + key_length + value->mv_size <= longest_node) return 0;
    memcpy(&flags, head + FLAGS_AT, sizeof flags);
    memcpy(&count, head + COUNT_AT, sizeof count);
    return flags & LONG_VALUE && count == (PAGE_HEAD - 1 + value->mv_size) / page + 1 ? 0 : MDB_CORRUPTED;
}

int session_get(const struct durable_session *session, const struct durable_key *key, MDB_val *value) {
    MDB_val at = value_of(key);
    int error = mdb_get(session->txn, session->durable->tree, &at, value);
    return error ? error : check_long_value(session, key->length, value);
}

int session_put(const struct durable_session *session, const struct durable_key *key, const void *bytes,
                size_t length) {
    MDB_val at = value_of(key), value = {.mv_size = length, .mv_data = (void *)bytes};
    return mdb_put(session->txn, session->durable->tree, &at, &value, 0);
}

int session_reserve(const struct durable_session *session, const struct durable_key *key, size_t length, void **room) {
    MDB_val at = value_of(key), value = {.mv_size = length};
    int error = mdb_put(session->txn, session->durable->tree, &at, &value, MDB_RESERVE);
    *room = value.mv_data;
    return error;
}

int session_remove(const struct durable_session *session, const struct durable_key *key) {
    MDB_val at = value_of(key);
    return mdb_del(session->txn, session->durable->tree, &at, NULL);
}

/* Runs of entries. */

int walk_begin(struct walk *walk, const struct durable_session *session, const struct durable_key *from,
               size_t prefix) {
    walk->from = *from;
    walk->prefix = prefix;
    walk->next = MDB_SET_RANGE;
    walk->key = value_of(&walk->from);
    return mdb_cursor_open(session->txn, session->durable->tree, &walk->cursor);
}

/* 1: the current entry's key has the prefix, which is taken off; 0: it has not. */
static int walk_look(struct walk *walk) {
    if (walk->key.mv_size < walk->prefix || memcmp(walk->key.mv_data, walk->from.bytes, walk->prefix) != 0) return 0;
    walk->key.mv_data = (char *)walk->key.mv_data + walk->prefix;
    walk->key.mv_size -= walk->prefix;
    return 1;
}

int walk_next(struct walk *walk) {
    int error = mdb_cursor_get(walk->cursor, &walk->key, &walk->value, walk->next);
    walk->next = MDB_NEXT;
    if (error) return error == MDB_NOTFOUND ? 0 : error;
    return walk_look(walk);
}

void walk_end(struct walk *walk) {
    mdb_cursor_close(walk->cursor);
}

static int keep_rest(const struct walk *walk, struct durable_key *rest) {
    rest->length = walk->key.mv_size;
    memcpy(rest->bytes, walk->key.mv_data, rest->length);
    return 0;
}

int session_first(const struct durable_session *session, const struct durable_key *prefix, struct durable_key *rest) {
    struct walk walk;
    int error = walk_begin(&walk, session, prefix, prefix->length);
    if (error) return error;
    int there = walk_next(&walk);
    error = there == 1 ? keep_rest(&walk, rest) : there ? there : MDB_NOTFOUND;
    walk_end(&walk);
    return error;
}

/* The last entry before `walk->from`. */
static int walk_last(struct walk *walk) {
    int error = mdb_cursor_get(walk->cursor, &walk->key, &walk->value, MDB_SET_RANGE);
    if (error && error != MDB_NOTFOUND) return error;
    return mdb_cursor_get(walk->cursor, &walk->key, &walk->value, error ? MDB_LAST : MDB_PREV);
}

int session_last(const struct durable_session *session, const struct durable_key *prefix, struct durable_key *rest) {
    struct walk walk;
    struct durable_key behind = *prefix;
    while (behind.bytes[behind.length - 1] == 0xff) behind.length--; /* never all of it: kinds are small */
    behind.bytes[behind.length - 1]++;
    int error = walk_begin(&walk, session, &behind, prefix->length);
    if (error) return error;
    error = walk_last(&walk);
    walk.from = *prefix;
    if (!error) error = walk_look(&walk) ? keep_rest(&walk, rest) : MDB_NOTFOUND;
    walk_end(&walk);
    return error;
}

/* Room. */

static int count_pages(const struct durable_session *session, size_t *pages) {
    MDB_stat tree, freed;
    int error = mdb_stat(session->txn, session->durable->tree, &tree);
    if (!error) error = mdb_stat(session->txn, 0, &freed);
    if (error) return error;
    *pages = 2 + tree.ms_branch_pages + tree.ms_leaf_pages + tree.ms_overflow_pages + freed.ms_branch_pages +
             freed.ms_leaf_pages + freed.ms_overflow_pages;
    return 0;
}

enum { PAGES_OF_AN_ENTRY = 6 /* beside its bytes: leaves that split, an index */, SWEPT_FOR_ROOM = 1000 };

int session_check_room(const struct durable_session *session, size_t length, int *has_room) {
    size_t page = session->durable->page, limit = session->durable->size / page, pages;
    size_t needed = length / page + PAGES_OF_AN_ENTRY;
    int error = count_pages(session, &pages);
    if (error || (*has_room = pages + needed <= limit)) return error;
    session_sweep(session, SWEPT_FOR_ROOM, &error);
    if (!error) error = count_pages(session, &pages);
    if (!error) *has_room = pages + needed <= limit;
    return error;
}

/* Results. */

int session_give(const struct durable_session *session, struct durable_operation *operation, const void *bytes,
                 size_t length) {
    operation->result = (struct span){bytes, length};
    if (!session->writes) return 0;
    if (text_append(&operation->kept, bytes, length) < 0) return ENOMEM;
    return operation_give_kept(operation);
}

int operation_give_kept(struct durable_operation *operation) {
    operation->result = (struct span){operation->kept.bytes, operation->kept.length};
    return 0;
}

void durable_operation_clear(struct durable_operation *operation) {
    text_destroy(&operation->kept);
    operation->result = (struct span){0};
    operation->error = operation->found = 0;
    operation->count = 0;
    memset(operation->others, 0, sizeof operation->others);
}

/* The format. */

static void format_key(struct durable_key *key) {
    key_begin(key, FORMAT);
    key_add_span(key, (struct span){"format", 6});
}

int session_check_format(const struct durable_session *session) {
    struct durable_key key;
    MDB_val value;
    MDB_stat stat;
    format_key(&key);
    int error = session_get(session, &key, &value);
    if (!error)
        return value.mv_size == sizeof OURS - 1 && memcmp(value.mv_data, OURS, value.mv_size) == 0 ? 0
                                                                                                   : DURABLE_FOREIGN;
    if (error != MDB_NOTFOUND) return error == MDB_INCOMPATIBLE ? DURABLE_FOREIGN : error;
    error = mdb_stat(session->txn, session->durable->tree, &stat);
    return error ? error : stat.ms_entries ? DURABLE_FOREIGN : MDB_NOTFOUND;
}

int session_write_format(const struct durable_session *session) {
    struct durable_key key;
    int error = session_check_format(session);
    if (error != MDB_NOTFOUND) return error;
    format_key(&key);
    return session_put(session, &key, OURS, sizeof OURS - 1);
}
