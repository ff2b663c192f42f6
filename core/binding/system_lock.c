/* core.system: where a path leads in the end, and locks on files, flock(2): they end with the process that holds them,
 * however that ends. */
#include "binding/descriptor.h"
#include "binding/modules.h"
#include "binding/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* system.real_path(path) -> the absolute path without symbolic links; nil, message, code when nothing is there */
static int real_path(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    char *found = realpath(path, NULL);
    if (!found) return support_fail_errno(L, errno, "look up", path);
    lua_pushstring(L, found); /* a failure for lack of memory loses it */
    free(found);
    return 1;
}

/* A file that was removed meanwhile counts as locked by who has removed it. */
static int lock_take(int fd, int operation) {
    struct stat status;
    if (flock(fd, operation | LOCK_NB) < 0 || fstat(fd, &status) < 0) return -1;
    return status.st_nlink ? 0 : (errno = EWOULDBLOCK, -1);
}

/* Whoever may enter the directory may lock the file, whatever the umask: reading rights are enough for that. */
static void lock_allow(int fd) {
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid()) fchmod(fd, 0644);
}

static int lock_open(const char *path, int alone) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (alone ? 0 : O_CREAT), 0644);
    if (fd < 0) return -1;
    if (!alone) lock_allow(fd);
    if (lock_take(fd, alone ? LOCK_EX : LOCK_SH) == 0) return fd;
    int error = errno;
    close(fd);
    return errno = error, -1;
}

/* system.lock(path, alone) -> a descriptor that holds the lock until it is closed, or nil, message, code. With others,
 * in a file that is made when there is none; or alone, in one that is there. */
static int lock(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    int fd = lock_open(path, lua_toboolean(L, 2));
    if (fd < 0 && errno == EWOULDBLOCK) return support_fail(L, "exists", "lock %s: somebody else holds it", path);
    if (fd < 0) return support_fail_errno(L, errno, "lock", path);
    return descriptor_push_raw(L, &fd);
}

void system_lock_open(lua_State *L) {
    static const luaL_Reg functions[] = {{"real_path", real_path}, {"lock", lock}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
