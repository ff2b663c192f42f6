#include "binding/runtime.h"
#include "binding/modules.h"
#include "binding/offload.h"
#include "binding/watchdog.h"
#include "http/websocket.h"
#include "io/child.h"
#include "io/drain.h"
#include "io/durable.h"
#include "io/handshake.h"
#include "io/http_client.h"
#include "io/resolver.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The collector's pause in percent of what lives: a small heap may fill fourfold before it is marked again, which costs a
 * few megabytes and saves a twentieth of a large echo; a large one has Lua's own pause; one that has come near its limit
 * is to have little garbage. */
enum { SMALL_HEAP_PAUSE = 400, LARGE_HEAP_PAUSE = 200, FULL_HEAP_PAUSE = 120, LARGE_HEAP = 16 * 1024 * 1024 };

static void runtime_tune_collector(struct runtime *runtime) {
    size_t live = runtime->heap.live;
    int pause = live > runtime->heap.most / 2 ? FULL_HEAP_PAUSE
                : live > LARGE_HEAP           ? LARGE_HEAP_PAUSE
                                              : SMALL_HEAP_PAUSE;
    if (pause == runtime->pause) return;
    runtime->pause = pause;
    lua_gc(runtime->L, LUA_GCINC, pause, 0, 0);
}

static void runtime_turn(void *context) {
    runtime_tune_collector(context);
    tidy_look(context);
    task_turn(context);
}

static void runtime_init_root(struct runtime *runtime) {
    runtime->root.home = runtime->scope;
    runtime->root.L = runtime->L;
    runtime->root.state = TASK_RUNNING;
    runtime->root.deadline = INFINITY;
    runtime->current = &runtime->root;
    *(struct task **)lua_getextraspace(runtime->L) = &runtime->root;
}

/* An error outside of every protected call: a bug of ours. */
static int runtime_panic(lua_State *L) {
    fprintf(stderr, "perigee: unprotected error: %s\n", luaL_tolstring(L, -1, NULL));
    return 0;
}

static void runtime_init_lua(struct runtime *runtime) {
    lua_State *L = runtime->L;
    lua_atpanic(L, runtime_panic);
    lua_newtable(L);
    runtime->threads = luaL_ref(L, LUA_REGISTRYINDEX);
    runtime->on_failure = LUA_NOREF;
    luaL_openlibs(L);
    coroutine_open(L);
}

struct runtime *runtime_new(void) {
    struct runtime *runtime = calloc(1, sizeof *runtime);
    if (!runtime) return NULL;
    if (loop_init(&runtime->loop) < 0) {
        free(runtime);
        return NULL;
    }
    runtime->began = runtime->loop.now;
    heap_init(&runtime->heap);
    memory_init(runtime);
    runtime->L = lua_newstate(heap_allocate, &runtime->heap);
    runtime->scope = scope_new(runtime, NULL);
    if (!runtime->L || !runtime->scope) return errno = ENOMEM, NULL; /* the process is about to end */
    runtime_init_root(runtime);
    runtime_init_lua(runtime);
    task_list_init(&runtime->ready);
    runtime->loop.turn = runtime_turn;
    runtime_tune_collector(runtime);
    runtime->loop.turn_context = runtime;
    tidy_init(&runtime->tidy);
    return runtime;
}

/* The tasks that are left at the end. They stay linked where they wait: finalizers still wake and interrupt them. */
struct leftover {
    struct task **tasks;
    size_t count;
};

/* The next task of the table of threads on top of the stack, behind the key there, which is replaced; NULL: there is
 * none, and the key is gone. */
static struct task *runtime_next_task(struct runtime *runtime) {
    lua_State *L = runtime->L;
    while (lua_next(L, -2)) {
        struct task *task = lua_isthread(L, -1) ? task_of(lua_tothread(L, -1)) : &runtime->root;
        lua_pop(L, 1);
        if (task != &runtime->root) return task;
    }
    return NULL;
}

/* Takes the tasks that are left out of their scopes. Without memory for the list they are never freed. */
static struct leftover runtime_abandon_tasks(struct runtime *runtime) {
    lua_State *L = runtime->L;
    struct leftover left = {0};
    lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->threads);
    size_t most = lua_rawlen(L, -1);
    left.tasks = calloc(most + 1, sizeof *left.tasks);
    lua_pushnil(L);
    for (struct task *task; (task = runtime_next_task(runtime));) {
        scope_abandon(task);
        timers_clear(&runtime->loop.timers, &task->timer); /* those of drains move in the heap until the end */
        if (left.tasks && left.count < most) left.tasks[left.count++] = task;
    }
    lua_pop(L, 1);
    return left;
}

static void runtime_free_tasks(struct runtime *runtime, struct leftover *left) {
    for (size_t i = 0; i < left->count; i++) {
        scope_drop(left->tasks[i]->home);
        heap_allocate(&runtime->heap, left->tasks[i], sizeof *left->tasks[i], 0);
    }
    free(left->tasks);
}

int runtime_free(struct runtime *runtime) {
    watchdog_stop(runtime);
    task_trim_pool(runtime);
    runtime->closing = 1;
    struct leftover left = runtime_abandon_tasks(runtime);
    handshake_drop_all(&runtime->loop);
    lua_close(runtime->L);
    runtime->L = NULL;
    scope_drop(runtime->scope); /* whose runtime finalizers have looked for until now */
    int result = offloading_free(runtime->offloading);
    if (durable_end_all(&runtime->loop) < 0) result = -1; /* its requests may have tasks that wait */
    runtime_free_tasks(runtime, &left); /* only now: a handle that is collected at the close still looks at its task */
    heap_destroy(&runtime->heap);
    child_stop_all(&runtime->loop);
    drain_stop_all(&runtime->loop);
    if (runtime->resolver) resolver_free(runtime->resolver);
    if (runtime->http_client) http_client_free(runtime->http_client);
    if (runtime->websockets) websocket_memory_trim(runtime->websockets);
    free(runtime->websockets);
    free(runtime->tickets);
    loop_destroy(&runtime->loop);
    free(runtime);
    return result;
}

static int runtime_write_error(lua_State *L) {
    memory_explain(L);
    fprintf(stderr, "perigee: %s\n", luaL_tolstring(L, -1, NULL));
    return 0;
}

/* Pops the error. Making a text of it may fail, too. */
static int runtime_print_error(lua_State *L) {
    lua_pushcfunction(L, runtime_write_error);
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        fprintf(stderr, "perigee: an error that cannot be told\n");
        lua_pop(L, 1);
    }
    return -1;
}

int runtime_call(struct runtime *runtime, lua_CFunction function, void *context) {
    lua_State *L = runtime->L;
    lua_State *outer = watch_enter(&runtime->watch, L);
    lua_pushcfunction(L, function);
    lua_pushlightuserdata(L, context);
    int result = lua_pcall(L, 1, 0, 0) == LUA_OK ? 0 : runtime_print_error(L);
    watch_leave(&runtime->watch, outer);
    return result;
}

void runtime_report(struct runtime *runtime, const struct task *task) {
    lua_State *L = runtime->L;
    int top = lua_gettop(L);
    if (runtime->on_failure == LUA_NOREF) {
        fprintf(stderr, "perigee: %s\n%s\n", luaL_tolstring(L, top - 1, NULL), lua_tostring(L, top));
    } else {
        lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->on_failure);
        luaL_tolstring(L, top - 1, NULL);
        lua_pushvalue(L, top);
        scope_push_context(L, scope_root(task));
        lua_call(L, 3, 0);
    }
    lua_settop(L, top - 2);
}
