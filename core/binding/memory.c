#include "binding/memory.h"
#include "binding/runtime.h"
#include "binding/stack_text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { RESERVE = 1024 * 1024 /* bytes beyond the limit, for the runtime itself */ };

static const char LUA_MESSAGE[] = "not enough memory";

static size_t held(const struct runtime *runtime) {
    return runtime->heap.live + runtime->memory.outside;
}

static void remember(struct runtime *runtime, size_t size, int is_limited) {
    struct memory *memory = &runtime->memory;
    lua_State *running = runtime->watch.running;
    memory->refusal.size = size;
    memory->refusal.held = held(runtime);
    memory->refusal.is_limited = is_limited;
    if (!running || !stack_place(running, memory->refusal.source, &memory->refusal.line)) memory->refusal.line = 0;
}

/* Events and reports, which run on the main thread, may have a little more than tasks. */
static int on_refused(struct heap *heap, size_t size, size_t more) {
    struct runtime *runtime = (struct runtime *)((char *)heap - offsetof(struct runtime, heap));
    int is_limited = more > heap->most || heap->live > heap->most - more;
    int is_ours = !runtime->watch.running || runtime->watch.running == runtime->L;
    if (is_limited && is_ours && more <= RESERVE && held(runtime) <= runtime->memory.limit + (RESERVE - more)) return 1;
    remember(runtime, size, is_limited);
    return 0;
}

static void set_most(struct runtime *runtime) {
    const struct memory *memory = &runtime->memory;
    runtime->heap.most = memory->limit == SIZE_MAX         ? SIZE_MAX
                         : memory->limit > memory->outside ? memory->limit - memory->outside
                                                           : 0;
}

void memory_init(struct runtime *runtime) {
    runtime->memory.limit = SIZE_MAX;
    runtime->heap.refused = on_refused;
}

void memory_limit(struct runtime *runtime, size_t bytes) {
    runtime->memory.limit = bytes;
    set_most(runtime);
}

/* Buffers. */

static struct runtime *runtime_if_any(lua_State *L) {
    const struct task *task = task_of(L);
    return task ? task_runtime(task) : NULL;
}

static int has_room(const struct runtime *runtime, size_t bytes) {
    size_t in_use = held(runtime), limit = runtime->memory.limit;
    return in_use <= limit && bytes <= limit - in_use;
}

int memory_take(lua_State *L, size_t bytes) {
    struct runtime *runtime = runtime_if_any(L);
    if (!runtime) return 0;
    if (!has_room(runtime, bytes)) lua_gc(L, LUA_GCCOLLECT);
    if (!has_room(runtime, bytes)) return remember(runtime, bytes, 1), -1;
    runtime->memory.outside += bytes;
    set_most(runtime);
    return 0;
}

void memory_give(lua_State *L, size_t bytes) {
    struct runtime *runtime = runtime_if_any(L);
    if (!runtime) return;
    runtime->memory.outside -= bytes;
    set_most(runtime);
}

/* Saying so. */

/* "9.3 GiB" */
static void format_size(size_t bytes, char *text, size_t size) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double amount = (double)bytes;
    unsigned unit = 0;
    while (amount >= 1024 && unit < 4) amount /= 1024, unit++;
    snprintf(text, size, amount == (double)(int)amount ? "%.0f %s" : "%.1f %s", amount, units[unit]);
}

static void push_explanation(lua_State *L, const struct memory *memory) {
    char asked[32], in_use[32], limit[32], place[LUA_IDSIZE + 16] = "";
    format_size(memory->refusal.size, asked, sizeof asked);
    format_size(memory->refusal.held, in_use, sizeof in_use);
    format_size(memory->limit, limit, sizeof limit);
    if (memory->refusal.line) snprintf(place, sizeof place, " at %s:%d", memory->refusal.source, memory->refusal.line);
    lua_pushfstring(L, "%s: %s asked for%s, %s are in use", LUA_MESSAGE, asked, place, in_use);
    if (memory->refusal.is_limited) lua_pushfstring(L, ", the limit is %s", limit);
    else lua_pushliteral(L, ", the system has no more");
    lua_concat(L, 2);
}

void memory_explain(lua_State *L) {
    const struct memory *memory = &runtime_of(L)->memory;
    if (lua_type(L, -1) != LUA_TSTRING || strcmp(lua_tostring(L, -1), LUA_MESSAGE) != 0 || !memory->refusal.size)
        return;
    push_explanation(L, memory);
    lua_replace(L, -2);
}
