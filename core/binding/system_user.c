/* core.system: whose process this is, what only its user may reach, and telling the service manager. */
#include "binding/modules.h"
#include "binding/support.h"
#include "system/notify.h"
#include "system/user.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_lookup(lua_State *L, const char *name) {
    if (errno == ENOENT) return support_fail(L, "unreachable", "there is no user '%s'", name);
    return support_fail_errno(L, errno, "look up the user", name);
}

/* system.user_id(name) -> the number of the user, or nil, message, code; by default of the one that this process is */
static int user_id(lua_State *L) {
    const char *name = luaL_optstring(L, 1, NULL);
    struct user user = {.uid = geteuid()};
    if (name && user_find(name, &user) < 0) return fail_lookup(L, name);
    lua_pushinteger(L, user.uid);
    return 1;
}

/* system.set_user(name) -> true, or nil, message, code: all rights of the user before are given up, for good */
static int set_user(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    struct user user;
    if (user_find(name, &user) < 0) return fail_lookup(L, name);
    if (user_become_whole(&user) < 0) return support_fail_errno(L, errno, "become the user", name);
    lua_pushboolean(L, 1);
    return 1;
}

/* Somebody else's directory, or one that others may change, is not for what only its owner may reach. */
static const char *problem_of(const char *path, uid_t owner) {
    struct stat status;
    if (lstat(path, &status) < 0) return strerror(errno);
    if (!S_ISDIR(status.st_mode)) return "it is no directory";
    if (status.st_uid != owner) return "it belongs to another user";
    return (status.st_mode & (S_IWGRP | S_IWOTH)) != 0 ? "others may write to it" : NULL;
}

/* Makes a directory, which is the user's then: 0, or -1 with errno. */
static int make_private(const char *path, const struct user *user) {
    if (mkdir(path, S_IRWXU) < 0) return errno == EEXIST ? 0 : -1;
    if (user->uid == geteuid()) return 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result = fd < 0 ? -1 : fchown(fd, user->uid, user->gid), error = errno;
    if (fd >= 0) close(fd);
    return errno = error, result;
}

/* system.private_directory(path, user) -> true, or nil, message, code: makes it, unless it is there and the user's
 * alone; ours by default */
static int private_directory(lua_State *L) {
    const char *path = luaL_checkstring(L, 1), *name = luaL_optstring(L, 2, NULL);
    struct user user = {.uid = geteuid(), .gid = getegid()};
    if (name && user_find(name, &user) < 0) return fail_lookup(L, name);
    if (make_private(path, &user) < 0) return support_fail_errno(L, errno, "make the directory", path);
    const char *problem = problem_of(path, user.uid);
    if (problem) return support_fail(L, "denied", "use the directory %s: %s", path, problem);
    lua_pushboolean(L, 1);
    return 1;
}

/* system.is_private(path) -> whether it is a directory of ours, and no link to one, that nobody else may write to */
static int is_private(lua_State *L) {
    lua_pushboolean(L, problem_of(luaL_checkstring(L, 1), geteuid()) == NULL);
    return 1;
}

/* system.set_mode(path, mode) -> true, or nil, message, code: chmod(2) */
static int set_mode(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    mode_t mode = (mode_t)luaL_checkinteger(L, 2);
    if (chmod(path, mode) < 0) return support_fail_errno(L, errno, "set the mode of", path);
    lua_pushboolean(L, 1);
    return 1;
}

/* system.processors() -> how many this process may run on */
static int processors(lua_State *L) {
    cpu_set_t set;
    long count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
    lua_pushinteger(L, count > 0 ? count : 1);
    return 1;
}

/* system.notify(path, text) -> true, or nil, message, code: a datagram to a Unix socket, sd_notify(3) */
static int notify(lua_State *L) {
    size_t length;
    const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &length);
    if (notify_send(path, text, length) < 0) return support_fail_errno(L, errno, "notify", path);
    lua_pushboolean(L, 1);
    return 1;
}

void system_user_open(lua_State *L) {
    static const luaL_Reg functions[] = {{"user_id", user_id},       {"set_user", set_user},
                                         {"set_mode", set_mode},     {"private_directory", private_directory},
                                         {"is_private", is_private}, {"processors", processors},
                                         {"notify", notify},         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
