/* core.process: starting other programs. */
#include "binding/connection.h"
#include "binding/descriptor.h"
#include "binding/modules.h"
#include "binding/process_request.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "io/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char CLASS[] = "perigee.child";

extern char **environ;

struct child_object {
    struct child *child; /* NULL: it could not be started, or is not held any more */
    struct task_list waiting;
    double grace;
    int pid, detached;
};

/* Signals. */

static int number_of_signal(const char *name) {
    if (strncmp(name, "SIG", 3) == 0) name += 3;
    for (int number = 1; number < NSIG; number++) {
        const char *known = sigabbrev_np(number);
        if (known && strcmp(known, name) == 0) return number;
    }
    return 0;
}

static int check_signal(lua_State *L, int argument) {
    if (lua_type(L, argument) == LUA_TNUMBER) {
        lua_Integer number = luaL_checkinteger(L, argument);
        luaL_argcheck(L, number > 0 && number <= SIGRTMAX, argument, "there is no signal of this number");
        return (int)number;
    }
    int number = number_of_signal(luaL_checkstring(L, argument));
    luaL_argcheck(L, number, argument, "there is no signal of this name");
    return number;
}

static void push_signal_name(lua_State *L, int number) {
    const char *name = sigabbrev_np(number);
    if (name) lua_pushfstring(L, "SIG%s", name);
    else lua_pushfstring(L, "SIGRTMIN+%d", number - SIGRTMIN);
}

/* The class. */

static struct child_object *check_child(lua_State *L, int argument) {
    return luaL_checkudata(L, argument, CLASS);
}

static int push_status(lua_State *L, const struct child_object *object) {
    int status = object->child->status;
    if (status == CHILD_STATUS_LOST)
        return support_fail(L, "unreachable", "wait for process %d: its status is lost, somebody else has taken it",
                            object->pid);
    lua_createtable(L, 0, 2);
    if (WIFEXITED(status)) {
        lua_pushinteger(L, WEXITSTATUS(status));
        lua_setfield(L, -2, "exit");
        return 1;
    }
    push_signal_name(L, WTERMSIG(status));
    lua_setfield(L, -2, "signal");
    lua_pushinteger(L, WTERMSIG(status));
    lua_setfield(L, -2, "number");
    return 1;
}

static void child_on_ended(struct child *child, void *context) {
    struct child_object *object = context;
    (void)child;
    while (object->waiting.first) {
        struct task *task = object->waiting.first;
        task_list_remove(&object->waiting, task);
        task->interrupt = NULL;
        task_schedule(task);
    }
}

enum { WAIT_CHILD = 1, WAIT_UNTIL };

static int wait_step(lua_State *L, int resumed, lua_KContext context) {
    struct child_object *object = check_child(L, WAIT_CHILD);
    int timed_out = resumed == LUA_YIELD && task_woken(L);
    (void)context;
    if (object->child->has_ended) return push_status(L, object);
    if (timed_out) return support_fail(L, "timeout", "wait for process %d: timed out", object->pid);
    struct task *task = task_begin_wait(L, "wait");
    task_list_add(&object->waiting, task);
    return task_wait(L, task, lua_tonumber(L, WAIT_UNTIL), task_list_interrupt, &object->waiting, 0, wait_step);
}

/* child:wait(seconds) -> { exit = } or { signal =, number = }; or nil, message, code */
static int child_wait(lua_State *L) {
    struct child_object *object = check_child(L, WAIT_CHILD);
    lua_Number seconds = support_check_seconds(L, 2, INFINITY);
    lua_settop(L, WAIT_CHILD);
    if (object->child->has_ended) return push_status(L, object);
    lua_pushnumber(L, runtime_of(L)->loop.now + seconds);
    return wait_step(L, LUA_OK, 0);
}

/* child:signal(name) -> true; or nil, message, code */
static int child_object_signal(lua_State *L) {
    struct child_object *object = check_child(L, 1);
    int number = check_signal(L, 2);
    if (child_signal(object->child, number) == 0) return lua_pushboolean(L, 1), 1;
    if (errno == ESRCH) return support_fail(L, "closed", "signal process %d: it has ended", object->pid);
    return support_fail(L, support_code(errno), "signal process %d: %s", object->pid, strerror(errno));
}

/* child:close(): SIGTERM, and SIGKILL when the grace is over */
static int child_object_close(lua_State *L) {
    struct child_object *object = check_child(L, 1);
    child_terminate(object->child, object->grace);
    return 0;
}

/* child:detach(for_good): it runs on when the handle is collected; and when this process ends, if asked for */
static int child_detach(lua_State *L) {
    struct child_object *object = check_child(L, 1);
    object->detached = 1;
    if (lua_toboolean(L, 2)) child_disown(object->child);
    return 0;
}

static int child_gc(lua_State *L) {
    struct child_object *object = check_child(L, 1);
    if (!object->child) return 0;
    if (!object->detached) child_terminate(object->child, object->grace);
    child_let_go(object->child);
    object->child = NULL;
    return 0;
}

static int child_index(lua_State *L) {
    struct child_object *object = check_child(L, 1);
    if (support_index_method(L)) return 1;
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "pid") == 0) lua_pushinteger(L, object->pid);
    else if (strcmp(name, "is_running") == 0) lua_pushboolean(L, object->child && !object->child->has_ended);
    else lua_pushnil(L);
    return 1;
}

/* Starting. */

static const char *code_of(int error) {
    return error == EAGAIN || error == E2BIG ? "limit" : support_code(error); /* of processes, of arguments */
}

static const char *text_of(const struct process_failure *failure) {
    int missing = failure->error == ENOENT || failure->error == ENOTDIR;
    if (failure->stage == PROCESS_INTERPRETER) return "the interpreter that it names is not there";
    if (failure->stage == PROCESS_DIRECTORY && missing) return "no such directory";
    if (failure->stage == PROCESS_PROGRAM && missing) return "no such program";
    if (failure->stage == PROCESS_PROGRAM && failure->error == EACCES) return "it may not be executed";
    return strerror(failure->error);
}

static int fail_spawn(lua_State *L, const struct process_order *order, const struct process_failure *failure) {
    const char *program = order->request.arguments[0], *directory = order->request.directory;
    const char *code = code_of(failure->error), *text = text_of(failure);
    if (failure->stage == PROCESS_DIRECTORY)
        return support_fail(L, code, "run '%s' in '%s': %s", program, directory, text);
    if (failure->stage == PROCESS_USER) return support_fail(L, code, "run '%s' as another user: %s", program, text);
    return support_fail(L, code, "run '%s': %s", program, text);
}

/* process.spawn { arguments =, environment =, descriptors =, directory =, group =, user =, grace = } -> child */
static int process_object_spawn(lua_State *L) {
    struct process_order order;
    struct process_failure failure;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    struct child_object *object = support_new(L, CLASS, sizeof *object, 0);
    task_list_init(&object->waiting);
    int failed = process_order_read(L, 1, &order);
    if (failed) return failed;
    object->grace = order.grace;
    object->child = child_start(&runtime_of(L)->loop, &order.request, &failure);
    process_order_done(L, 1, object->child != NULL);
    if (!object->child) return fail_spawn(L, &order, &failure);
    object->pid = object->child->pid;
    object->child->ended = child_on_ended;
    object->child->context = object;
    lua_pushvalue(L, 2);
    return 1;
}

/* process.pipe("read" or "write") -> connection, descriptor: the end that we read or write, and the other one */
static int process_pipe(lua_State *L) {
    static const char *const directions[] = {"read", "write", NULL};
    int ours = luaL_checkoption(L, 1, NULL, directions), fds[2];
    struct connection_object *connection = connection_new(L);
    struct descriptor_object *descriptor = descriptor_new(L);
    if (pipe2(fds, O_CLOEXEC) < 0) return support_fail_errno(L, errno, "make", "a pipe");
    descriptor_set_blocking(fds[ours], 0);
    connection_adopt(connection, runtime_of(L), fds[ours], SCHEME_UNIX, NULL);
    descriptor->fd = fds[!ours];
    return 2;
}

/* process.null() -> descriptor of what is empty, and takes all */
static int process_null(lua_State *L) {
    struct descriptor_object *descriptor = descriptor_new(L);
    descriptor->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return descriptor->fd < 0 ? support_fail_errno(L, errno, "open", "/dev/null") : 1;
}

/* process.environment() -> the values of this process's variables by name */
static int process_environment(lua_State *L) {
    lua_newtable(L);
    for (char **variable = environ; *variable; variable++) {
        const char *equals = strchr(*variable, '=');
        if (!equals) continue;
        lua_pushlstring(L, *variable, (size_t)(equals - *variable));
        lua_pushstring(L, equals + 1);
        lua_rawset(L, -3);
    }
    return 1;
}

/* process.unset(name): removes a variable. For the start of the process: no other thread may look at it now. */
static int process_unset(lua_State *L) {
    unsetenv(luaL_checkstring(L, 1));
    return 0;
}

/* process.executable() -> the path of the program that runs here, and whether it still is there: proc(5) marks it when it
 * was removed or replaced */
static int process_executable(lua_State *L) {
    static const char EXECUTABLE[] = "/proc/self/exe", MARK[] = " (deleted)";
    char path[PATH_MAX];
    ssize_t length = readlink(EXECUTABLE, path, sizeof path);
    if (length < 0) return support_fail_errno(L, errno, "read", EXECUTABLE);
    size_t count = (size_t)length, mark = sizeof MARK - 1;
    int is_gone = count > mark && memcmp(path + count - mark, MARK, mark) == 0;
    lua_pushlstring(L, path, is_gone ? count - mark : count);
    lua_pushboolean(L, !is_gone);
    return 2;
}

int luaopen_core_process(lua_State *L) {
    static const luaL_Reg functions[] = {{"spawn", process_object_spawn},
                                         {"pipe", process_pipe},
                                         {"null", process_null},
                                         {"environment", process_environment},
                                         {"unset", process_unset},
                                         {"executable", process_executable},
                                         {NULL, NULL}};
    static const luaL_Reg methods[] = {{"wait", child_wait},
                                       {"signal", child_object_signal},
                                       {"close", child_object_close},
                                       {"detach", child_detach},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__index", child_index}, {"__gc", child_gc}, {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_requiref(L, "core.connection", luaopen_core_connection, 0);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
