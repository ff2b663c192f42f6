/* Operations that write, many in one transaction. */
#include "system/durable_private.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { SWEPT = 64 /* entries, by the way */, PAGES_OF_AN_OPERATION = 24, PAGES_OF_A_SWEEP = 256 };
enum { STEP = 1024 * 1024 /* bytes by which the file grows */ };

/* Another process has made the map larger. No transaction of this process is alive while it is replaced. */
static int adopt_map(struct durable *durable) {
    pthread_mutex_lock(&durable->map);
    int error = mdb_env_set_mapsize(durable->env, 0);
    pthread_mutex_unlock(&durable->map);
    return error;
}

static int begin_transaction(struct durable *durable, MDB_txn **txn) {
    int error = mdb_txn_begin(durable->env, NULL, 0, txn);
    if (error != MDB_MAP_RESIZED) return error;
    if ((error = adopt_map(durable))) return error;
    return mdb_txn_begin(durable->env, NULL, 0, txn);
}

static void file_lengthen(struct durable *durable, uint64_t length) {
    struct stat status;
    int fd;
    mdb_env_get_fd(durable->env, &fd);
    if (fstat(fd, &status) < 0) return;
    durable->length = (uint64_t)status.st_size;
    if (durable->length < length && ftruncate(fd, (off_t)length) == 0) durable->length = length;
}

/* Makes the file longer than what the transaction can use, so that a file that is too short has been truncated. The
 * bytes are a hole until they are used. Where a limit of the process forbids that, what is used may still fit. */
static int session_lengthen(struct durable *durable, size_t count, size_t bytes) {
    MDB_envinfo info;
    int error = mdb_env_info(durable->env, &info);
    uint64_t pages = info.me_last_pgno + 1 + count * PAGES_OF_AN_OPERATION + PAGES_OF_A_SWEEP;
    uint64_t length = (pages * durable->page + 2 * bytes + STEP - 1) / STEP * STEP;
    if (length > info.me_mapsize) length = info.me_mapsize;
    if (!error && length > durable->length) file_lengthen(durable, length);
    return error;
}

static size_t count_bytes(struct durable_operation **operations, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += operations[i]->value.length;
    return bytes;
}

static int session_prepare(struct durable_session *session, struct durable_operation **operations, size_t count) {
    struct durable *durable = session->durable;
    int error = session_lengthen(durable, count, count_bytes(operations, count));
    if (!error && !durable->known) error = session_write_format(session);
    if (!error) session_sweep(session, SWEPT, &error);
    return error;
}

static int run_each(struct durable_session *session, struct durable_operation **operations, size_t count) {
    int error = session_prepare(session, operations, count);
    for (size_t i = 0; i < count && !error; i++) {
        durable_operation_clear(operations[i]);
        error = operations[i]->run(session, operations[i]);
    }
    return error;
}

/* LMDB tells of a short write, whatever the reason: a limit of the process, a disk that is full. */
static int explain(const struct durable *durable, int error) {
    struct statvfs disk;
    struct stat file;
    struct rlimit limit;
    int fd;
    if (error != EIO) return error;
    mdb_env_get_fd(durable->env, &fd);
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && fstat(fd, &file) == 0 && (rlim_t)file.st_size >= limit.rlim_cur)
        return EFBIG;
    return fstatvfs(fd, &disk) == 0 && disk.f_bavail * disk.f_frsize < STEP ? ENOSPC : error;
}

/* All of them or none: 0, or an error. */
static int run_whole(struct durable *durable, struct durable_operation **operations, size_t count) {
    struct durable_session session = {.durable = durable, .writes = 1, .now = durable_now(durable)};
    int error = begin_transaction(durable, &session.txn);
    if (error) return error;
    error = run_each(&session, operations, count);
    if (error) mdb_txn_abort(session.txn);
    else error = mdb_txn_commit(session.txn);
    if (!error) durable->known = 1;
    return explain(durable, error);
}

static void operation_fail(struct durable_operation *operation, int error) {
    durable_operation_clear(operation);
    operation->error = error;
}

/* When all of them together cannot be done, each half is tried: so those that can be done are, in order. */
void durable_run(struct durable *durable, struct durable_operation **operations, size_t count) {
    int error = run_whole(durable, operations, count);
    if (!error) return;
    if (count == 1) {
        operation_fail(operations[0], error);
        return;
    }
    durable_run(durable, operations, count / 2);
    durable_run(durable, operations + count / 2, count - count / 2);
}
