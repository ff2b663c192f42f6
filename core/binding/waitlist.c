/* A waitlist: the tasks that wait for something Lua will tell, first come, first served. Channels, queues and
 * semaphores are made of it. Waking is never lost: a woken task runs at the scheduler's next turn. */
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/support.h"

#include <math.h>
#include <string.h>

static const char CLASS[] = "perigee.waitlist";

struct waitlist {
    struct task_list tasks;
    unsigned count;
};

static struct waitlist *check_waitlist(lua_State *L) {
    return luaL_checkudata(L, 1, CLASS);
}

static int waitlist_new(lua_State *L) {
    struct waitlist *waitlist = support_new(L, CLASS, sizeof *waitlist, 0);
    task_list_init(&waitlist->tasks);
    return 1;
}

static int waitlist_interrupt(struct task *task, void *subject) {
    struct waitlist *waitlist = subject;
    waitlist->count--;
    return task_list_interrupt(task, &waitlist->tasks);
}

/* Wakes the first: returns whether there was one. A subject of NULL marks a task that was woken. */
static int waitlist_wake_first(struct waitlist *waitlist) {
    struct task *task = waitlist->tasks.first;
    if (!task) return 0;
    task_list_remove(&waitlist->tasks, task);
    task->interrupt = NULL;
    task->subject = NULL;
    task_schedule(task);
    waitlist->count--;
    return 1;
}

/* A task that was woken, but then cancelled before it could run, hands the wake on. */
static int waitlist_waited(lua_State *L, int status, lua_KContext context) {
    struct task *task = task_of(L);
    (void)status, (void)context;
    if (!task->subject && task_is_interrupted(task)) waitlist_wake_first(check_waitlist(L));
    lua_pushboolean(L, !task_woken(L));
    return 1;
}

/* waitlist:wait(seconds) -> true, or false when it was not woken in time */
static int waitlist_wait(lua_State *L) {
    struct waitlist *waitlist = check_waitlist(L);
    struct task *task = task_begin_wait(L, "wait");
    lua_Number seconds = support_check_seconds(L, 2, INFINITY);
    task_list_add(&waitlist->tasks, task);
    waitlist->count++;
    return task_wait(L, task, task_runtime(task)->loop.now + seconds, waitlist_interrupt, waitlist, 0, waitlist_waited);
}

/* waitlist:wake(count) -> how many were woken; count defaults to 1, math.huge wakes all */
static int waitlist_wake(lua_State *L) {
    struct waitlist *waitlist = check_waitlist(L);
    lua_Number wanted = luaL_optnumber(L, 2, 1);
    lua_Integer woken = 0;
    while ((lua_Number)woken < wanted && waitlist_wake_first(waitlist)) woken++;
    lua_pushinteger(L, woken);
    return 1;
}

static int waitlist_length(lua_State *L) {
    lua_pushinteger(L, check_waitlist(L)->count);
    return 1;
}

void waitlist_open(lua_State *L) {
    static const luaL_Reg methods[] = {{"wait", waitlist_wait}, {"wake", waitlist_wake}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__len", waitlist_length}, {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    lua_pushcfunction(L, waitlist_new);
    lua_setfield(L, -2, "waitlist");
}
