/* The limit of memory: what Lua holds, and the buffers that it refers to. An allocation beyond it is refused; Lua then
 * collects its garbage, asks again, and raises "not enough memory" in the task that has asked. What was asked for, and
 * where, is remembered here, for whoever reports that error.
 * Owner: the runtime. Invariant: heap.most is the limit less `outside`. */
#ifndef PERIGEE_BINDING_MEMORY_H
#define PERIGEE_BINDING_MEMORY_H

#include <lua.h>
#include <stddef.h>

struct runtime;

struct memory {
    size_t limit;   /* bytes; SIZE_MAX: none */
    size_t outside; /* bytes of buffers, which are not in Lua's heap */
    struct {
        size_t size; /* bytes that were asked for the last time; 0: nothing was refused yet */
        size_t held;
        int is_limited; /* by the limit; else the kernel had none */
        int line;       /* 0: no place of a script */
        char source[LUA_IDSIZE];
    } refusal;
};

void memory_init(struct runtime *runtime);
void memory_limit(struct runtime *runtime, size_t bytes);

/* Buffers: 0; or -1 when they go beyond the limit, also after all garbage was collected. Outside of a runtime there is no
 * limit here. */
int memory_take(lua_State *L, size_t bytes);
void memory_give(lua_State *L, size_t bytes);

/* When the value on top of the stack is Lua's error of memory, puts one in its place that says what was refused last. */
void memory_explain(lua_State *L);

#endif
