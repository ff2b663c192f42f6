/* What the watchdog has to know of the running of Lua: slices are numbered, and the innermost coroutine that runs is
 * known. A slice is one time that Lua gets to run: a task until it waits, or one call for an event. In normal running
 * this is a few stores, whether there is a watchdog or not.
 * Owner: the runtime. Invariant: the main thread alone writes, in part in a signal handler; but for `parked`. */
#ifndef PERIGEE_BINDING_WATCH_H
#define PERIGEE_BINDING_WATCH_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

struct watchdog;

struct watch {
    lua_State *running;        /* the innermost coroutine; NULL between slices */
    uint64_t slice;            /* the number of the slice */
    uint64_t noticed;          /* the slice that something is to be done for at its end */
    uint64_t raised;           /* the slice in which an error was raised because it goes on too long */
    uint64_t insisting;        /* the slice in which Lua raises at each step, until all of it has ended */
    int parked;                /* the watchdog's thread sleeps until it is told of a slice */
    struct watchdog *watchdog; /* NULL: there is none */
};

void watch_unpark(struct watch *watch);
void watch_end_noticed(struct watch *watch); /* the slice that was noticed ends, what ran is still `running` */
void watch_insist(lua_State *L);             /* Lua raises at its next step there, and at each after it */

/* Numbers are never given twice, so a signal that comes late finds that it was meant for another slice. */
static inline void watch_begin(struct watch *watch, lua_State *L) {
    __atomic_store_n(&watch->slice, watch->slice + 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&watch->running, L, __ATOMIC_RELAXED);
}

static inline void watch_end(struct watch *watch) {
    if (__builtin_expect(watch->noticed == watch->slice, 0)) watch_end_noticed(watch);
}

/* A slice begins, perhaps inside of another one; what ran before is to be given to watch_leave. */
static inline lua_State *watch_enter(struct watch *watch, lua_State *L) {
    lua_State *outer = watch->running;
    if (__builtin_expect(outer != NULL, 0)) watch_end(watch);
    watch_begin(watch, L);
    if (__builtin_expect(__atomic_load_n(&watch->parked, __ATOMIC_RELAXED), 0)) watch_unpark(watch);
    return outer;
}

static inline void watch_leave(struct watch *watch, lua_State *outer) {
    watch_end(watch);
    if (__builtin_expect(outer != NULL, 0)) watch_begin(watch, outer);
    else __atomic_store_n(&watch->running, NULL, __ATOMIC_RELAXED);
}

/* In a slice: another coroutine runs from now on. */
static inline void watch_switch(struct watch *watch, lua_State *L) {
    __atomic_store_n(&watch->running, L, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (__builtin_expect(watch->insisting == watch->slice, 0)) watch_insist(L);
}

#endif
