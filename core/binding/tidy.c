#include "binding/runtime.h"
#include "http/websocket.h"

#include <time.h>

enum {
    LEAST_GROWTH = 1024 * 1024, /* bytes; and at least an eighth of what there was */
    LEAST_ENDED = 256,          /* connections; and at least a half of them */
    STEP_SIZE = 64              /* KiB that a step of the collector makes good */
};

static const double LOOK_SECONDS = 0.25, STEP_SECONDS = 0.002, PAUSE_SECONDS = 0.003, QUIET_SHARE = 0.25;

static double clock_of(clockid_t id) {
    struct timespec time;
    clock_gettime(id, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int has_grown(const struct runtime *runtime) {
    size_t live = runtime->heap.live, before = runtime->tidy.live;
    return live > before + before / 8 + LEAST_GROWTH;
}

static int has_shrunk(const struct runtime *runtime) {
    unsigned now = runtime->loop.counts.connections, before = runtime->tidy.connections;
    return before > LEAST_ENDED && now < before / 2;
}

static void tidy_set(struct runtime *runtime, double seconds) {
    timers_set(&runtime->loop.timers, &runtime->tidy.timer, runtime->loop.now + seconds);
}

void tidy_look(struct runtime *runtime) {
    struct tidy *tidy = &runtime->tidy;
    unsigned connections = runtime->loop.counts.connections;
    if (connections > tidy->connections) tidy->connections = connections;
    if (has_grown(runtime) || has_shrunk(runtime)) tidy_soon(runtime);
}

void tidy_soon(struct runtime *runtime) {
    struct tidy *tidy = &runtime->tidy;
    if (timer_is_set(&tidy->timer)) return;
    tidy->cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    tidy->at = runtime->loop.now;
    tidy_set(runtime, LOOK_SECONDS);
}

/* How much of the time since the last look was spent working. */
static int is_quiet(struct runtime *runtime) {
    struct tidy *tidy = &runtime->tidy;
    double cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID), passed = runtime->loop.now - tidy->at;
    int quiet = cpu - tidy->cpu < passed * QUIET_SHARE;
    tidy->cpu = cpu;
    tidy->at = runtime->loop.now;
    return quiet;
}

static int collect_some(lua_State *L) {
    double end = clock_of(CLOCK_MONOTONIC) + STEP_SECONDS;
    while (clock_of(CLOCK_MONOTONIC) < end)
        if (lua_gc(L, LUA_GCSTEP, STEP_SIZE)) return 1;
    return 0;
}

static void give_back(struct runtime *runtime) {
    task_trim_pool(runtime);
    heap_trim(&runtime->heap);
    if (runtime->websockets) websocket_memory_trim(runtime->websockets);
    loop_trim(&runtime->loop);
    runtime->tidy.live = runtime->heap.live;
    runtime->tidy.connections = runtime->loop.counts.connections;
}

/* Two cycles: the second collects what finalizers have let go. */
static void on_timer(struct timer *timer) {
    struct tidy *tidy = (struct tidy *)((char *)timer - offsetof(struct tidy, timer));
    struct runtime *runtime = (struct runtime *)((char *)tidy - offsetof(struct runtime, tidy));
    if (!tidy->collecting && !is_quiet(runtime)) {
        tidy_set(runtime, LOOK_SECONDS);
        return;
    }
    if (!tidy->collecting) tidy->collecting = 2;
    lua_State *outer = watch_enter(&runtime->watch, runtime->L);
    if (collect_some(runtime->L)) tidy->collecting--;
    watch_leave(&runtime->watch, outer);
    if (tidy->collecting) tidy_set(runtime, PAUSE_SECONDS);
    else give_back(runtime);
}

void tidy_init(struct tidy *tidy) {
    tidy->timer.fire = on_timer;
}

void tidy_all(struct runtime *runtime) {
    task_trim_pool(runtime);
    lua_gc(runtime->L, LUA_GCCOLLECT);
    lua_gc(runtime->L, LUA_GCCOLLECT);
    give_back(runtime);
}
