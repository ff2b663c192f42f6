/* The Lua state of a thread: the standard library, and of Perigee's what needs no loop. It is made for the first job,
 * and made anew after one that was stopped or had no memory left. Owner: the thread. */
#ifndef PERIGEE_BINDING_OFFLOAD_STATE_H
#define PERIGEE_BINDING_OFFLOAD_STATE_H

#include "binding/heap.h"

#include <lua.h>

struct offload_call;

struct offload_state {
    lua_State *L;
    lua_State *running; /* the main thread or a coroutine: where a hook has to be set */
    struct heap heap;
    size_t limit;              /* bytes; what the state is made of comes on top */
    size_t base;               /* bytes that a fresh state has */
    struct offload_call *call; /* the one that runs; NULL: none */
    int globals;               /* registry reference: what a job finds in its globals */
    int traceback;             /* registry reference: of the job's error; false: there is none */
    int status;                /* how the job's function ended: LUA_OK ... */
};

/* The modules and the functions that a job can have; and what is replaced or taken away. */
void offload_library_open(struct offload_state *state);
/* Adds the fields of the table on top of the stack to the one below, and pops it. */
void offload_copy_fields(lua_State *L);
/* coroutine.resume, wrap and close, which keep state->running. */
void offload_coroutine_open(struct offload_state *state);

/* Lets Lua raise "stopped" at its next step, and at every one after. Also in a signal handler. */
void offload_state_interrupt(lua_State *L);
int offload_state_is_stopping(const struct offload_state *state);

#endif
