#include "system/durable_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { READERS = 512 /* processes, about */, FILE_MODE = 0600 };
enum { MEBIBYTE = 1024 * 1024, RESERVE_PART = 16, RESERVE_LEAST = MEBIBYTE, RESERVE_MOST = 64 * MEBIBYTE };

/* Errors. */

const char *durable_message(int error) {
    switch (error) {
    case DURABLE_FOREIGN: return "there is a database that is not Perigee's, or of another version";
    case DURABLE_TRUNCATED: return "data.mdb is damaged: it has been truncated";
    case DURABLE_NOT_A_NUMBER: return "the value is not an integer of 64 bits";
    case DURABLE_OUT_OF_RANGE: return "the number would be beyond 64 bits";
    case MDB_MAP_FULL: return "it is full";
    case MDB_TXN_FULL: return "that is too much at once";
    case MDB_INVALID: return "data.mdb or lock.mdb is damaged: it is no file of LMDB";
    case MDB_VERSION_MISMATCH: return "data.mdb or lock.mdb is damaged, or of another version of LMDB";
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND: return "data.mdb is damaged";
    case MDB_READERS_FULL: return "too many processes use it";
    case MDB_PANIC: return "a write has failed before: it has to be closed and opened again";
    default: return error > 0 ? strerror(error) : mdb_strerror(error);
    }
}

int durable_is_full(int error) {
    switch (error) {
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case MDB_READERS_FULL:
    case ENOSPC:
    case EFBIG:
    case EDQUOT: return 1;
    default: return 0;
    }
}

int durable_is_damaged(int error) {
    switch (error) {
    case DURABLE_FOREIGN:
    case DURABLE_TRUNCATED:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND: return 1;
    default: return 0;
    }
}

/* The clock. */

uint64_t durable_now(const struct durable *durable) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    int64_t now = (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
    now += __atomic_load_n(&durable->shift, __ATOMIC_RELAXED);
    return now > 0 ? (uint64_t)now : 0;
}

void durable_shift_clock(struct durable *durable, int64_t shift) {
    __atomic_store_n(&durable->shift, shift, __ATOMIC_RELAXED);
}

/* Opening. */

static uint64_t reserve_for(uint64_t size) {
    uint64_t reserve = size / RESERVE_PART;
    return reserve < RESERVE_LEAST ? RESERVE_LEAST : reserve > RESERVE_MOST ? RESERVE_MOST : reserve;
}

/* Reading what is behind the end of a file that is mapped would kill the process. What is in use is never behind it:
 * see session_lengthen. */
static int check_length(struct durable *durable) {
    MDB_envinfo info;
    MDB_stat stat;
    struct stat status;
    int fd;
    mdb_env_info(durable->env, &info);
    mdb_env_stat(durable->env, &stat);
    mdb_env_get_fd(durable->env, &fd);
    if (fstat(fd, &status) < 0) return errno;
    durable->page = stat.ms_psize;
    durable->length = (uint64_t)status.st_size;
    return ((uint64_t)info.me_last_pgno + 1) * durable->page > durable->length ? DURABLE_TRUNCATED : 0;
}

/* LMDB does so with the others that it opens. */
static int close_at_exec(struct durable *durable) {
    int fd;
    mdb_env_get_fd(durable->env, &fd);
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? errno : 0;
}

static int begin_reader(struct durable *durable) {
    if (durable->reader) return mdb_txn_renew(durable->reader);
    int error = mdb_txn_begin(durable->env, NULL, MDB_RDONLY, &durable->reader);
    if (error != MDB_READERS_FULL) return error;
    mdb_reader_check(durable->env, NULL);
    return mdb_txn_begin(durable->env, NULL, MDB_RDONLY, &durable->reader);
}

static int open_tree(struct durable *durable) {
    int error = mdb_dbi_open(durable->reader, NULL, 0, &durable->tree);
    if (error) return error;
    struct durable_session session = {.durable = durable, .txn = durable->reader};
    error = session_check_format(&session);
    return error == MDB_NOTFOUND ? 0 : error;
}

static int open_environment(struct durable *durable, const char *directory, const struct durable_options *options) {
    int error = mdb_env_create(&durable->env);
    if (error) return error;
    mdb_env_set_mapsize(durable->env, options->size + reserve_for(options->size));
    mdb_env_set_maxreaders(durable->env, READERS);
    error = mdb_env_open(durable->env, directory, MDB_NOTLS | (options->sync ? 0 : MDB_NOSYNC), FILE_MODE);
    if (error || (error = close_at_exec(durable))) return error;
    mdb_reader_check(durable->env, NULL);
    if ((error = check_length(durable)) || (error = begin_reader(durable))) return error;
    error = open_tree(durable);
    mdb_txn_reset(durable->reader);
    return error;
}

int durable_open(struct durable **made, const char *directory, const struct durable_options *options) {
    struct durable *durable = calloc(1, sizeof *durable);
    if (!durable) return ENOMEM;
    durable->size = options->size;
    pthread_mutex_init(&durable->map, NULL);
    int error = open_environment(durable, directory, options);
    if (error) durable_close(durable);
    else *made = durable;
    return error;
}

void durable_close(struct durable *durable) {
    if (durable->reader) mdb_txn_abort(durable->reader);
    if (durable->env) mdb_env_close(durable->env);
    pthread_mutex_destroy(&durable->map);
    free(durable);
}

int durable_is_in(const struct durable *durable, const char *directory) {
    char path[PATH_MAX];
    struct stat ours, theirs;
    int fd;
    mdb_env_get_fd(durable->env, &fd);
    if ((size_t)snprintf(path, sizeof path, "%s/data.mdb", directory) >= sizeof path) return 0;
    return fstat(fd, &ours) == 0 && stat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
           ours.st_ino == theirs.st_ino;
}

void durable_be_sync(struct durable *durable) {
    mdb_env_set_flags(durable->env, MDB_NOSYNC, 0);
}

uint64_t durable_size(const struct durable *durable) {
    return durable->size;
}

/* Reading. */

int durable_read(struct durable *durable, struct durable_operation *operation) {
    if (pthread_mutex_trylock(&durable->map) != 0) return -1;
    if (begin_reader(durable) != 0) {
        pthread_mutex_unlock(&durable->map);
        return -1;
    }
    struct durable_session session = {.durable = durable, .txn = durable->reader, .now = durable_now(durable)};
    durable_operation_clear(operation);
    int error = operation->run(&session, operation);
    if (error) operation->error = error;
    return 0;
}

void durable_end_read(struct durable *durable) {
    mdb_txn_reset(durable->reader);
    pthread_mutex_unlock(&durable->map);
}
