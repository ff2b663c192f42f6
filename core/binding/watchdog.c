#include "binding/watchdog.h"
#include "binding/hooks.h"
#include "binding/runtime.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

enum { EVENTS = LUA_MASKCOUNT | LUA_MASKCALL };

static const double HANDLER_SECONDS = 0.001;

/* In the registry. */
static const char TRACEBACK[] = "perigee.watchdog.traceback", CONTEXT[] = "perigee.watchdog.context";

/* The handler knows its watchdog by nothing else; it is the one of the thread that has started it. */
static _Thread_local struct watchdog *this_watchdog;

static struct runtime *runtime_of_watch(struct watch *watch) {
    return (struct runtime *)((char *)watch - offsetof(struct runtime, watch));
}

static double seconds_of(const struct watchdog *watchdog) {
    return watchdog_clock() - watchdog->since;
}

/* Raising. */

static void push_message(lua_State *L, double seconds) {
    char source[LUA_IDSIZE], text[64];
    int line;
    snprintf(text, sizeof text, "ran for %.1f s without yielding", seconds);
    if (stack_place(L, source, &line)) lua_pushfstring(L, "%s:%d: %s", source, line, text);
    else lua_pushstring(L, text);
}

/* By halving: each look at the stack goes along all of it. */
static int depth_of(lua_State *L) {
    lua_Debug level;
    int low = 0, high = 1;
    while (lua_getstack(L, high, &level)) low = high, high *= 2;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (lua_getstack(L, middle, &level)) low = middle;
        else high = middle;
    }
    return high;
}

/* In a hook. */
static void raise_error(lua_State *L, struct watchdog *watchdog) {
    watchdog->raising = L;
    watchdog->raising_depth = depth_of(L);
    watchdog->raising_at = watchdog_clock();
    push_message(L, watchdog->stopped_after);
    lua_error(L);
}

/* Is this the message handler of the error that was raised last? It is called at the place of the error, before that goes
 * up, and can raise again for a little of the depth that C's stack has: so it gets a moment each time. */
static int is_in_handler(lua_State *L, const struct watchdog *watchdog) {
    lua_Debug level;
    return watchdog->raising == L && lua_getstack(L, watchdog->raising_depth, &level) &&
           watchdog_clock() < watchdog->raising_at + HANDLER_SECONDS;
}

/* What goes on too long is the task's, if one runs: it is to end. */
static void mark(struct watchdog *watchdog, const struct runtime *runtime) {
    struct task *task = runtime->current;
    if (task != &runtime->root && !task->overran) task->overran = TASK_OVERRAN;
    watchdog->watch->raised = watchdog->watch->slice;
    watchdog->is_stopped = 1;
    watchdog->stopped++;
    watchdog->stopped_after = seconds_of(watchdog);
}

int watchdog_raise_again(lua_State *L, struct runtime *runtime) {
    const struct watchdog *watchdog = runtime->watch.watchdog;
    push_message(L, watchdog ? watchdog->stopped_after : 0);
    return lua_error(L);
}

/* Tracebacks. */

/* That of the coroutine; and when the task has resumed that, of the task. */
static void push_traceback(lua_State *L, const struct task *task) {
    luaL_traceback(L, L, NULL, 0);
    if (task->L == L || task == &task_runtime(task)->root) return;
    lua_pushliteral(L, "\n");
    luaL_traceback(L, task->L, "resumed in the task:", 0);
    lua_concat(L, 3);
}

/* Once for a slice, and once more when it is stopped. */
static void take_traceback(lua_State *L, struct watchdog *watchdog, const struct runtime *runtime) {
    scope_push_context(L, scope_root(runtime->current));
    lua_setfield(L, LUA_REGISTRYINDEX, CONTEXT);
    push_traceback(L, runtime->current);
    lua_setfield(L, LUA_REGISTRYINDEX, TRACEBACK);
    watchdog->taken = watchdog->watch->slice;
}

/* The hook. It may be left over, also in a coroutine that was made while it was set. What it calls may raise for lack of
 * memory, so hooks are allowed from the start. */
static void on_step(lua_State *L, lua_Debug *event) {
    struct runtime *runtime = runtime_of(L);
    struct watch *watch = &runtime->watch;
    struct watchdog *watchdog = watch->watchdog;
    int insists = watchdog && watch->insisting == watch->slice;
    (void)event;
    if (!insists) lua_sethook(L, NULL, 0, 0);
    hooks_allow(L);
    if (insists) {
        if (!is_in_handler(L, watchdog)) raise_error(L, watchdog);
        return;
    }
    if (!watchdog || watchdog->wanted != watch->slice) return;
    if (watchdog->request == WATCHDOG_WARN) {
        if (watchdog->taken != watch->slice) take_traceback(L, watchdog, runtime);
    } else if (watch->raised != watch->slice) {
        mark(watchdog, runtime);
        take_traceback(L, watchdog, runtime);
        raise_error(L, watchdog);
    }
}

void watch_insist(lua_State *L) {
    lua_sethook(L, on_step, EVENTS, 1);
}

/* The signal handler. */

static void write_stack(struct watchdog *watchdog, lua_State *L) {
    const struct task *task = runtime_of_watch(watchdog->watch)->current;
    watchdog->stack.length = 0;
    stack_text_add(&watchdog->stack, L);
    if (task->L != L && task != &task_runtime(task)->root) stack_text_add(&watchdog->stack, task->L);
    __atomic_store_n(&watchdog->looks, watchdog->looks + 1, __ATOMIC_RELEASE);
}

static void heed(struct watchdog *watchdog) {
    struct watch *watch = watchdog->watch;
    lua_State *L = watch->running;
    if (!L || __atomic_load_n(&watchdog->wanted, __ATOMIC_ACQUIRE) != watch->slice) return;
    if (watchdog->request == WATCHDOG_LOOK) {
        write_stack(watchdog, L);
        hooks_allow(L);
    }
    if (watchdog->request == WATCHDOG_INSIST || watch->raised == watch->slice) watch->insisting = watch->slice;
    watch->noticed = watch->slice;
    lua_sethook(L, on_step, EVENTS, 1);
}

static void on_signal(int number) {
    int error = errno;
    (void)number;
    if (this_watchdog) heed(this_watchdog);
    errno = error;
}

/* With SA_RESTART: nothing else need know of it. */
static void install_handler(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    sigaction(watchdog_signal(), &action, NULL);
}

/* The ends of slices. */

/* The traceback is nil where no hook was run, because all of the time went by in C. */
static int tell(lua_State *L) {
    struct watchdog *watchdog = lua_touserdata(L, 1);
    if (lua_getfield(L, LUA_REGISTRYINDEX, WATCHDOG_ON_SLOW) != LUA_TFUNCTION) return 0;
    lua_pushnumber(L, watchdog->seconds);
    if (watchdog->is_taken) {
        lua_getfield(L, LUA_REGISTRYINDEX, TRACEBACK);
        lua_getfield(L, LUA_REGISTRYINDEX, CONTEXT);
    } else {
        lua_pushnil(L);
        scope_push_context(L, scope_root(runtime_of(L)->current));
    }
    lua_pushboolean(L, watchdog->is_stopped);
    lua_call(L, 4, 0);
    return 0;
}

static int forget(lua_State *L) {
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, TRACEBACK);
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, CONTEXT);
    return 0;
}

void watch_end_noticed(struct watch *watch) {
    struct watchdog *watchdog = watch->watchdog;
    watch->noticed = 0;
    if (watch->running) lua_sethook(watch->running, NULL, 0, 0);
    if (!watchdog || watchdog->wanted != watch->slice) return;
    watchdog->warned++;
    watchdog->seconds = seconds_of(watchdog);
    watchdog->is_taken = watchdog->taken == watch->slice;
    runtime_call(runtime_of_watch(watch), tell, watchdog);
    runtime_call(runtime_of_watch(watch), forget, NULL);
    watchdog->is_stopped = 0;
}

/* A task that was stopped has the grace for what it still does; one that has yielded by itself meanwhile, which could go
 * on for ever, has none. */
void watchdog_mark_task(struct watch *watch, struct task *task) {
    watch->raised = watch->slice;
    if (task->overran != TASK_DOOMED || !watch->watchdog) return;
    watch->noticed = watch->insisting = watch->slice;
    watch_insist(task->L);
}

void watch_unpark(struct watch *watch) {
    if (!__atomic_exchange_n(&watch->parked, 0, __ATOMIC_SEQ_CST)) return;
    if (watch->watchdog) sem_post(&watch->watchdog->wake);
}

/* Its life. */

static void watchdog_free(struct runtime *runtime) {
    struct watchdog *watchdog = runtime->watch.watchdog;
    this_watchdog = runtime->watch.watchdog = NULL;
    runtime->watch.parked = 0;
    sem_destroy(&watchdog->wake);
    free(watchdog);
}

int watchdog_start(lua_State *L, const struct watchdog_options *options) {
    struct runtime *runtime = runtime_of(L);
    if (!hooks_are_known(L)) return errno = ENOTSUP, -1;
    struct watchdog *watchdog = calloc(1, sizeof *watchdog);
    if (!watchdog) return -1;
    watchdog->watch = &runtime->watch;
    watchdog->options = *options;
    watchdog->watched = pthread_self();
    sem_init(&watchdog->wake, 0, 0);
    install_handler();
    this_watchdog = runtime->watch.watchdog = watchdog;
    int error = watchdog_thread_start(watchdog);
    if (!error) return 0;
    watchdog_free(runtime);
    return errno = error, -1;
}

void watchdog_stop(struct runtime *runtime) {
    struct watchdog *watchdog = runtime->watch.watchdog;
    if (!watchdog) return;
    __atomic_store_n(&watchdog->closing, 1, __ATOMIC_RELEASE);
    sem_post(&watchdog->wake);
    pthread_join(watchdog->thread, NULL);
    watchdog_free(runtime);
}
