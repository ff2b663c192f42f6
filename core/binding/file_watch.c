/* core.file_watch: what happens to files, told by the directories that they are in. */
#include "system/file_watch.h"
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "io/readable.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static const char CLASS[] = "perigee.file_watch";

struct file_watch_object {
    struct file_watch watch;
    struct readable readable;
};

static struct file_watch_object *check_watch(lua_State *L) {
    return luaL_checkudata(L, 1, CLASS);
}

/* strerror(3) speaks of disks and of open files where a limit of the kernel is meant. */
static int fail_watch(lua_State *L, const char *operation, const char *subject, int error) {
    const char *limit = error == ENOSPC   ? "fs.inotify.max_user_watches"
                        : error == EMFILE ? "fs.inotify.max_user_instances, or of open files"
                                          : NULL;
    if (!limit) return support_fail_errno(L, error, operation, subject);
    return support_fail(L, "limit", "%s %s: the limit is reached (%s)", operation, subject, limit);
}

/* file_watch.open() -> watch, or nil, message, code */
static int watch_open(lua_State *L) {
    struct file_watch_object *object = support_new(L, CLASS, sizeof *object, 0);
    object->watch.fd = -1;
    if (file_watch_open(&object->watch) < 0) return fail_watch(L, "watch", "files", errno);
    readable_init(&object->readable, &runtime_of(L)->loop, object->watch.fd);
    return 1;
}

/* watch:add(directory, only_itself) -> true, or nil, message, code */
static int watch_add(lua_State *L) {
    struct file_watch_object *object = check_watch(L);
    const char *directory = luaL_checkstring(L, 2);
    enum file_watch_scope scope = lua_toboolean(L, 3) ? FILE_WATCH_ITSELF : FILE_WATCH_FILES;
    if (file_watch_add(&object->watch, directory, scope) < 0) return fail_watch(L, "watch", directory, errno);
    lua_pushboolean(L, 1);
    return 1;
}

static int watch_remove(lua_State *L) {
    struct file_watch_object *object = check_watch(L);
    file_watch_remove(&object->watch, luaL_checkstring(L, 2));
    return 0;
}

/* What has happened, or 0 when nothing has. */
static int push_next(lua_State *L, struct file_watch_object *object) {
    struct file_watch_event event;
    switch (file_watch_next(&object->watch, &event)) {
    case FILE_WATCH_EMPTY: return 0;
    case FILE_WATCH_LOST: return support_fail(L, "limit", "watch files: so much has happened that some was lost");
    case FILE_WATCH_BROKEN: return support_fail_errno(L, errno, "watch", "files");
    case FILE_WATCH_GONE: return lua_pushstring(L, event.directory), 1;
    case FILE_WATCH_CHANGED: break;
    }
    lua_pushstring(L, event.directory);
    lua_pushstring(L, event.name);
    return 2;
}

static int watch_interrupt(struct task *task, void *subject) {
    struct file_watch_object *object = subject;
    (void)task;
    readable_forget(&object->readable);
    return 1;
}

enum { NEXT_WATCH = 1, NEXT_UNTIL };

static int next_step(lua_State *L, int resumed, lua_KContext context) {
    struct file_watch_object *object = check_watch(L);
    (void)context;
    if (resumed == LUA_YIELD && task_woken(L)) return support_fail(L, "timeout", "watch files: nothing has happened");
    int results = push_next(L, object);
    if (results) return results;
    struct task *task = task_begin_wait(L, "next");
    if (object->readable.waiter) return luaL_error(L, "another task is waiting for this watch");
    readable_await(&object->readable, &task->waiter);
    return task_wait(L, task, lua_tonumber(L, NEXT_UNTIL), watch_interrupt, object, 0, next_step);
}

/* watch:next(seconds) -> directory, name; directory alone: it is gone itself; or nil, message, code */
static int watch_next(lua_State *L) {
    lua_Number seconds = support_check_seconds(L, 2, INFINITY);
    check_watch(L);
    lua_settop(L, NEXT_WATCH);
    lua_pushnumber(L, runtime_of(L)->loop.now + seconds);
    return next_step(L, LUA_OK, 0);
}

static int watch_close(lua_State *L) {
    struct file_watch_object *object = check_watch(L);
    if (object->watch.fd >= 0) readable_give_up(&object->readable);
    file_watch_close(&object->watch);
    return 0;
}

/* file_watch.link(path) -> what a symbolic link says; nil: it is none, readlink(2) */
static int watch_link(lua_State *L) {
    char target[PATH_MAX];
    ssize_t length = readlink(luaL_checkstring(L, 1), target, sizeof target);
    if (length < 0) return lua_pushnil(L), 1;
    lua_pushlstring(L, target, (size_t)length);
    return 1;
}

int luaopen_core_file_watch(lua_State *L) {
    static const luaL_Reg functions[] = {{"open", watch_open}, {"link", watch_link}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"add", watch_add}, {"remove", watch_remove}, {"next", watch_next}, {"close", watch_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__close", watch_close}, {"__gc", watch_close}, {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
