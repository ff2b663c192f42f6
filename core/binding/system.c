/* core.system: the clock, signals, and what this process is. */
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "bytes/tiny.h"
#include "io/child.h"
#include "io/signals.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char CLASS[] = "perigee.signal";

struct signal_object {
    struct signal_watch watch;
    struct runtime *runtime;
    int handler, anchor; /* references in the registry */
};

static const struct {
    const char *name;
    int number;
} signals[] = {{"HUP", SIGHUP},   {"INT", SIGINT},   {"TERM", SIGTERM},  {"QUIT", SIGQUIT},
               {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"WINCH", SIGWINCH}};

static int check_signal(lua_State *L, int argument) {
    const char *name = luaL_checkstring(L, argument);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (strcmp(signals[i].name, name) == 0) return signals[i].number;
    return luaL_argerror(L, argument, "signal must be one of HUP INT TERM QUIT USR1 USR2 WINCH");
}

static int signal_spawn_handler(lua_State *L) {
    struct signal_object *object = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, object->handler);
    scope_spawn(L, object->runtime->scope, 2);
    return 0;
}

static void signal_on_received(struct signal_watch *watch, int number) {
    struct signal_object *object = (struct signal_object *)watch;
    (void)number;
    runtime_call(object->runtime, signal_spawn_handler, object);
}

/* system.on_signal(name, handler) -> watch: runs the handler in a task of its own each time. watch:stop() */
static int on_signal(lua_State *L) {
    int number = check_signal(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    struct signal_object *object = support_new(L, CLASS, sizeof *object, 0);
    object->runtime = runtime_of(L);
    object->watch.received = signal_on_received;
    lua_pushvalue(L, 2);
    object->handler = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, 3);
    object->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    signal_watch_start(&object->watch, &object->runtime->loop, number);
    return 1;
}

static int signal_stop(lua_State *L) {
    struct signal_object *object = luaL_checkudata(L, 1, CLASS);
    if (object->watch.loop) signal_watch_stop(&object->watch);
    luaL_unref(L, LUA_REGISTRYINDEX, object->handler);
    luaL_unref(L, LUA_REGISTRYINDEX, object->anchor);
    object->handler = object->anchor = LUA_NOREF;
    return 0;
}

/* system.time() -> seconds since 1970 with their fraction */
static int system_time(lua_State *L) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec * 1e-9);
    return 1;
}

static int system_pid(lua_State *L) {
    lua_pushinteger(L, getpid());
    return 1;
}

/* system.exit(code): ends the process at once; nothing is flushed or closed, but processes that it has started are told */
static int system_exit(lua_State *L) {
    int code = (int)luaL_optinteger(L, 1, 0);
    child_stop_all(&runtime_of(L)->loop);
    _exit(code);
}

/* system.raise_descriptor_limit(wanted) -> the limit of open descriptors that is in force then */
static int raise_descriptor_limit(lua_State *L) {
    struct rlimit limit;
    rlim_t wanted = (rlim_t)luaL_optinteger(L, 1, 0);
    getrlimit(RLIMIT_NOFILE, &limit);
    struct rlimit higher = {wanted > limit.rlim_max ? wanted : limit.rlim_max,
                            wanted > limit.rlim_max ? wanted : limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &higher) < 0) { /* only root may raise the hard limit */
        higher.rlim_cur = higher.rlim_max = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &higher);
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    lua_pushinteger(L, (lua_Integer)limit.rlim_cur);
    return 1;
}

/* system.versions() -> { lua=, libev=, openssl=, tiny=, sanitized= }: what this binary is made with */
static int system_versions(lua_State *L) {
    lua_newtable(L);
    lua_pushstring(L, LUA_RELEASE);
    lua_setfield(L, -2, "lua");
    lua_pushfstring(L, "libev %d.%d", ev_version_major(), ev_version_minor());
    lua_setfield(L, -2, "libev");
    lua_pushstring(L, OpenSSL_version(OPENSSL_VERSION));
    lua_setfield(L, -2, "openssl");
    lua_pushboolean(L, OUTPUT_BLOCK_SIZE < 1024);
    lua_setfield(L, -2, "tiny");
#ifdef __SANITIZE_ADDRESS__
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "sanitized");
#endif
    return 1;
}

/* system.file_kind(path) -> "file", "directory" or "other"; nil when there is none that could be read, stat(2) */
static int file_kind(lua_State *L) {
    struct stat status;
    if (stat(luaL_checkstring(L, 1), &status) < 0) return lua_pushnil(L), 1;
    lua_pushstring(L, S_ISREG(status.st_mode) ? "file" : S_ISDIR(status.st_mode) ? "directory" : "other");
    return 1;
}

static int write_all(int fd, const char *bytes, size_t length) {
    while (length) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno != EINTR) return -1;
        if (written > 0) bytes += written, length -= (size_t)written;
    }
    return 0;
}

/* system.create_file(path, text, mode) -> true, or nil, message, code: a file that was not there before, open(2) O_EXCL.
 * It is removed again when it cannot be written whole. */
static int create_file(lua_State *L) {
    size_t length;
    const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &length);
    mode_t mode = (mode_t)luaL_checkinteger(L, 3);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) return support_fail_errno(L, errno, "create", path);
    int failed = write_all(fd, text, length) < 0, error = errno;
    if (close(fd) < 0 && !failed) failed = 1, error = errno;
    if (failed) {
        unlink(path);
        return support_fail_errno(L, error, "write", path);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* system.make_directory(path) -> true, or nil, message, code: mkdir(2), as far as the umask lets it be for all */
static int make_directory(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    if (mkdir(path, 0777) < 0) return support_fail_errno(L, errno, "make the directory", path);
    lua_pushboolean(L, 1);
    return 1;
}

/* system.list(path) -> the names in a directory, sorted; nil, message, code */
static int list(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) return support_fail_errno(L, errno, "list", path);
    lua_newtable(L);
    for (int i = 0, kept = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            lua_pushstring(L, name);
            lua_rawseti(L, -2, ++kept);
        }
        free(entries[i]);
    }
    free(entries);
    return 1;
}

int luaopen_core_system(lua_State *L) {
    static const luaL_Reg functions[] = {{"on_signal", on_signal},
                                         {"time", system_time},
                                         {"pid", system_pid},
                                         {"file_kind", file_kind},
                                         {"create_file", create_file},
                                         {"list", list},
                                         {"make_directory", make_directory},
                                         {"exit", system_exit},
                                         {"raise_descriptor_limit", raise_descriptor_limit},
                                         {"versions", system_versions},
                                         {NULL, NULL}};
    static const luaL_Reg methods[] = {{"stop", signal_stop}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", signal_stop}, {"__close", signal_stop}, {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_newlib(L, functions);
    system_user_open(L);
    system_lock_open(L);
    return 1;
}
