#include "binding/task.h"
#include "binding/interruption.h"
#include "binding/runtime.h"
#include "binding/task_handle.h"
#include "binding/watchdog.h"

#include <assert.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_TASKS = 256 }; /* ended coroutines kept for the next tasks */

/* Lists. */

void task_list_init(struct task_list *list) {
    list->first = NULL;
    list->end = &list->first;
}

void task_list_add(struct task_list *list, struct task *task) {
    assert(!task->link);
    task->next = NULL;
    task->link = list->end;
    *list->end = task;
    list->end = &task->next;
}

void task_list_remove(struct task_list *list, struct task *task) {
    *task->link = task->next;
    if (task->next) task->next->link = task->link;
    else list->end = task->link;
    task->link = NULL;
}

int task_list_interrupt(struct task *task, void *list) {
    task_list_remove(list, task);
    return 1;
}

/* Records. */

struct task *task_of(lua_State *L) {
    return *(struct task **)lua_getextraspace(L);
}

int task_may_wait(lua_State *L) {
    struct task *task = task_of(L);
    return task != &task_runtime(task)->root && lua_isyieldable(L);
}

static void task_on_wake(struct waiter *waiter, enum wake when);
static void task_on_timer(struct timer *timer);

static struct task *task_from_pool(struct runtime *runtime) {
    struct task *task = runtime->idle;
    if (!task) return NULL;
    runtime->idle = task->next;
    runtime->idle_count--;
    return task;
}

static struct task *task_allocate(lua_State *L) {
    struct runtime *runtime = runtime_of(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->threads);
    lua_State *coroutine = lua_newthread(L);
    int anchor = luaL_ref(L, -2);
    lua_pop(L, 1);
    struct task *task = heap_allocate(&runtime->heap, NULL, 0, sizeof *task);
    if (!task) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->threads);
        luaL_unref(L, -1, anchor);
        luaL_error(L, "not enough memory");
    }
    task->L = coroutine;
    task->anchor = anchor;
    return task;
}

static uint32_t task_next_id(struct runtime *runtime) {
    if (!++runtime->last_id) ++runtime->last_id;
    return runtime->last_id;
}

struct task *task_new(lua_State *L, struct scope *scope) {
    struct runtime *runtime = runtime_of(L);
    struct task *task = task_from_pool(runtime);
    if (!task) task = task_allocate(L);
    *task = (struct task){.L = task->L, .anchor = task->anchor, .deadline = INFINITY};
    task->id = task_next_id(runtime);
    task->born = (uint32_t)((runtime->loop.now - runtime->began) * 10);
    task->waiter.wake = task_on_wake;
    task->timer.fire = task_on_timer;
    *(struct task **)lua_getextraspace(task->L) = task;
    runtime->counts.tasks++;
    scope_add(scope, task);
    return task;
}

static void task_free(struct runtime *runtime, struct task *task) {
    lua_rawgeti(runtime->L, LUA_REGISTRYINDEX, runtime->threads);
    luaL_unref(runtime->L, -1, task->anchor);
    lua_pop(runtime->L, 1);
    heap_allocate(&runtime->heap, task, sizeof *task, 0);
}

static void task_recycle(struct task *task) {
    struct runtime *runtime = task_runtime(task);
    *(struct task **)lua_getextraspace(task->L) = &runtime->root;
    lua_settop(task->L, 0);
    scope_drop(task->home);
    if (runtime->idle_count >= IDLE_TASKS) {
        task_free(runtime, task);
        return;
    }
    task->next = runtime->idle;
    runtime->idle = task;
    runtime->idle_count++;
}

void task_trim_pool(struct runtime *runtime) {
    struct task *task;
    while ((task = task_from_pool(runtime))) task_free(runtime, task);
}

void task_release_handle(struct task *task) {
    task->handle = NULL;
    if (task->state == TASK_ENDED && !task->completing && !task_runtime(task)->closing) task_recycle(task);
}

/* The end of a task. */

/* What is told may run Lua, and with it the collector: the task's handle may be gone after. Returns the one whose last
 * child it was, or NULL. */
static struct task *task_complete_one(struct task *task) {
    struct scope *home = task->home, *own = task->scope;
    task->state = TASK_ENDED;
    task->completing = 1;
    task_runtime(task)->counts.tasks--;
    timers_clear(&task_runtime(task)->loop.timers, &task->timer);
    if (task->ended) task->ended(task, task->ended_context);
    task->scope = NULL;
    if (own) scope_drop(own);
    struct task *childless = scope_remove(home, task);
    task->completing = 0;
    if (task->handle) task_handle_wake_joiners(task->handle);
    else task_recycle(task);
    return childless;
}

/* And those that have waited for it alone, however many have spawned one another. */
static void task_complete(struct task *task) {
    do task = task_complete_one(task);
    while (task && task->state == TASK_ENDING);
}

void task_children_ended(struct task *task) {
    if (task->state == TASK_ENDING) task_complete(task);
}

/* Runs on the main thread: hands the error on top of the task's stack to its group, or reports it. Who joins the task
 * later gets the error as it is reported. */
static int task_tell_failure(lua_State *L) {
    struct task *task = lua_touserdata(L, 1);
    lua_xmove(task->L, L, 1);
    interruption_push_traceback(L, task->L);
    lua_pushvalue(L, -2);
    lua_xmove(L, task->L, 1);
    if (task->home->group) scope_fail(task->home, L);
    else if (!task->handle || !task_handle_is_joined(task->handle)) runtime_report(task_runtime(task), task);
    return 0;
}

/* Lua has put its own error of memory back. */
static int task_explain(lua_State *L) {
    struct task *task = lua_touserdata(L, 1);
    lua_xmove(task->L, L, 1);
    memory_explain(L);
    lua_xmove(L, task->L, 1);
    return 0;
}

/* Runs what is to be closed, and leaves the error. */
static void task_close(struct task *task) {
    struct watch *watch = &task_runtime(task)->watch;
    lua_State *outer = watch_enter(watch, task->L);
    if (task->overran) watchdog_mark_task(watch, task);
    lua_resetthread(task->L);
    watch_leave(watch, outer);
}

static void task_finish(struct task *task, int status) {
    task->state = TASK_ENDING; /* nothing in a __close can wait any more */
    if (status != LUA_OK) {
        task->outcome = task->cancelled && interruption_test(task->L, -1) ? TASK_CANCELLED : TASK_FAILED;
        if (task->outcome == TASK_FAILED) runtime_call(task_runtime(task), task_tell_failure, task);
        task_close(task);
        if (status == LUA_ERRMEM) runtime_call(task_runtime(task), task_explain, task);
    }
    if (task->scope && task->scope->count) scope_cancel(task->scope);
    else task_complete(task);
}

/* Running. */

static int task_resume(struct task *task, int arguments, int *results) {
    struct runtime *runtime = task_runtime(task);
    lua_State *outer = watch_enter(&runtime->watch, task->L);
    if (__builtin_expect(task->overran, 0)) watchdog_mark_task(&runtime->watch, task);
    int status = lua_resume(task->L, runtime->L, arguments, results);
    watch_leave(&runtime->watch, outer);
    return status;
}

static void task_run(struct task *task) {
    struct runtime *runtime = task_runtime(task);
    struct task *previous = runtime->current;
    int begun = lua_status(task->L) == LUA_YIELD, results = 0, status = LUA_OK;
    runtime->current = task;
    task->state = TASK_RUNNING;
    if (!begun && task->cancelled) {
        lua_settop(task->L, 0);
        task->outcome = TASK_CANCELLED;
    } else {
        status = task_resume(task, begun ? 0 : lua_gettop(task->L) - 1, &results);
    }
    if (status != LUA_YIELD) {
        task_finish(task, status);
    } else if (task->state == TASK_RUNNING) { /* a plain coroutine.yield: the others have their turn */
        lua_pop(task->L, results);
        if (task->overran) task->overran = TASK_DOOMED;
        task_schedule(task);
    }
    runtime->current = previous;
}

void task_schedule(struct task *task) {
    task->state = TASK_READY;
    task_list_add(&task_runtime(task)->ready, task);
    loop_disturb(&task_runtime(task)->loop);
}

void task_start(struct task *task) {
    task_run(task);
}

/* The tasks that are ready now have their turn; those that become ready meanwhile have it in the next pass. */
void task_turn(struct runtime *runtime) {
    struct task_list now;
    if (!runtime->ready.first) return;
    now.first = runtime->ready.first;
    now.end = runtime->ready.end;
    now.first->link = &now.first;
    task_list_init(&runtime->ready);
    while (now.first) {
        struct task *task = now.first;
        task_list_remove(&now, task);
        task_run(task);
    }
}

static struct task *task_of_waiter(struct waiter *waiter) {
    return (struct task *)((char *)waiter - offsetof(struct task, waiter));
}

/* An event that comes straight from the loop resumes the task at once; one from inside another task's call, or one of
 * several, has it take its turn. */
static void task_on_wake(struct waiter *waiter, enum wake when) {
    struct task *task = task_of_waiter(waiter);
    task->interrupt = NULL;
    if (task_runtime(task)->closing) return;
    if (when == WAKE_NOW && task_runtime(task)->current == &task_runtime(task)->root) task_run(task);
    else task_schedule(task);
}

/* Waiting. */

void task_disturb(struct task *task) {
    if (task->state != TASK_PARKED) return;
    if (task->interrupt && !task->interrupt(task, task->subject)) return;
    task->interrupt = NULL;
    task_schedule(task);
}

void task_cancel(struct task *task) {
    if (task->state == TASK_ENDED) return;
    task->cancelled = 1;
    task_disturb(task);
}

static void task_on_timer(struct timer *timer) {
    struct task *task = (struct task *)((char *)timer - offsetof(struct task, timer));
    struct loop *loop = &task_runtime(task)->loop;
    if (task->state != TASK_PARKED || task->wake_at == INFINITY) return;
    if (task->wake_at > loop->now) {
        timers_set(&loop->timers, timer, task->wake_at); /* cannot fail: its place has just become free */
        return;
    }
    task->wake_at = INFINITY;
    task->timed_out = 1;
    task_disturb(task);
}

int task_is_interrupted(const struct task *task) {
    return task->overran || task->cancelled || scope_is_failing(task) || task->deadline <= task_runtime(task)->loop.now;
}

void task_check_interrupted(lua_State *L, struct task *task) {
    if (__builtin_expect(task->overran, 0)) watchdog_raise_again(L, task_runtime(task));
    if (task->cancelled) interruption_raise(L, INTERRUPTION_CANCELLED);
    if (scope_is_failing(task)) interruption_raise(L, INTERRUPTION_GROUP);
    if (task->deadline <= task_runtime(task)->loop.now) interruption_raise(L, INTERRUPTION_DEADLINE);
}

struct task *task_begin_wait(lua_State *L, const char *what) {
    struct task *task = task_of(L);
    if (!task_may_wait(L))
        luaL_error(L, "%s has to wait, and only a task can: this is %s", what,
                   L == task_runtime(task)->L ? "the main thread" : "the callback of a function that cannot");
    if (task->state != TASK_RUNNING) luaL_error(L, "%s has to wait, and a task that is ending cannot", what);
    task_check_interrupted(L, task);
    return task;
}

static void task_set_timer(lua_State *L, struct task *task) {
    struct timers *timers = &task_runtime(task)->loop.timers;
    if (task->wake_at == INFINITY) return;
    if (timer_is_set(&task->timer) && timer_at(timers, &task->timer) <= task->wake_at) return;
    if (timers_set(timers, &task->timer, task->wake_at) == 0) return;
    if (task->interrupt) task->interrupt(task, task->subject);
    luaL_error(L, "not enough memory");
}

int task_wait(lua_State *L, struct task *task, double wake_at, task_interrupt *interrupt, void *subject,
              lua_KContext context, lua_KFunction continuation) {
    task->interrupt = interrupt;
    task->subject = subject;
    task->wake_at = wake_at < task->deadline ? wake_at : task->deadline;
    task->timed_out = 0;
    task_set_timer(L, task);
    task->state = TASK_PARKED;
    return lua_yieldk(L, 0, context, continuation);
}

int task_woken(lua_State *L) {
    struct task *task = task_of(L);
    task_check_interrupted(L, task);
    return task->timed_out;
}
