#include "binding/offload_state.h"
#include "binding/offload.h"
#include "binding/serialise.h"

#include <lauxlib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MEBIBYTE = 1024 * 1024 };

static void *state_allocate(void *context, void *piece, size_t old_size, size_t size) {
    struct offload_state *state = context;
    size_t before = piece ? old_size : 0;
    if (size > before && state->heap.live + (size - before) > state->limit) return NULL;
    return heap_allocate(&state->heap, piece, old_size, size);
}

/* Stopping. */

int offload_state_is_stopping(const struct offload_state *state) {
    return state->call && offload_is_stopping(&state->call->job);
}

static void raise_stopped(lua_State *L, lua_Debug *event) {
    (void)event;
    luaL_error(L, "the job was stopped");
}

void offload_state_interrupt(lua_State *L) {
    lua_sethook(L, raise_stopped, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

void offload_state_stop(struct offload_job *job) {
    struct offload_state *state = __atomic_load_n(&((struct offload_call *)job)->state, __ATOMIC_SEQ_CST);
    if (state) offload_state_interrupt(__atomic_load_n(&state->running, __ATOMIC_SEQ_CST));
}

/* The call begins to run in the state (then what was told before is heeded), or ends to. */
static void enter(struct offload_state *state, struct offload_call *call) {
    state->call = call;
    state->running = state->L;
    __atomic_store_n(&call->state, state, __ATOMIC_SEQ_CST);
    if (offload_is_stopping(&call->job)) offload_state_interrupt(state->L);
}

static void leave(struct offload_state *state, struct offload_call *call) {
    __atomic_store_n(&call->state, NULL, __ATOMIC_SEQ_CST);
    lua_sethook(state->L, NULL, 0, 0);
    state->call = NULL;
}

/* A state. */

static int open_library(lua_State *L) {
    struct offload_state *state = lua_touserdata(L, 1);
    offload_library_open(state);
    lua_pushboolean(L, 0);
    state->traceback = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static struct offload_state *state_new(void) {
    struct offload_state *state = calloc(1, sizeof *state);
    if (!state) return NULL;
    heap_init(&state->heap);
    state->limit = SIZE_MAX;
    state->L = lua_newstate(state_allocate, state);
    if (!state->L) {
        offload_state_free(state);
        return NULL;
    }
    *(void **)lua_getextraspace(state->L) = NULL; /* no task runs here */
    state->running = state->L;
    lua_pushcfunction(state->L, open_library);
    lua_pushlightuserdata(state->L, state);
    if (lua_pcall(state->L, 1, 0, 0) != LUA_OK) {
        offload_state_free(state);
        return NULL;
    }
    state->base = state->heap.live;
    return state;
}

void offload_state_free(void *context) {
    struct offload_state *state = context;
    state->limit = SIZE_MAX;
    if (state->L) lua_close(state->L);
    heap_destroy(&state->heap);
    free(state);
}

void offload_state_rest(void *context) {
    struct offload_state *state = context;
    if (!state) return;
    lua_settop(state->L, 0);
    state->limit = SIZE_MAX;
    lua_gc(state->L, LUA_GCRESTART);
    lua_gc(state->L, LUA_GCCOLLECT);
    lua_gc(state->L, LUA_GCCOLLECT); /* what finalizers have let go */
    heap_trim(&state->heap);
}

/* A job. */

/* A message handler, its upvalue the state. The last line of the traceback would be `run`. */
static int keep_traceback(lua_State *L) {
    static const char last[] = "\n\t[C]: in ?";
    const struct offload_state *state = lua_touserdata(L, lua_upvalueindex(1));
    size_t length, tail = sizeof last - 1;
    luaL_traceback(L, L, NULL, 1);
    const char *text = lua_tolstring(L, -1, &length);
    if (length > tail && memcmp(text + length - tail, last, tail) == 0) lua_pushlstring(L, text, length - tail);
    lua_rawseti(L, LUA_REGISTRYINDEX, state->traceback);
    lua_settop(L, 1);
    return 1;
}

/* Pushes the globals of a job and puts them in force. */
static void push_globals(lua_State *L, const struct offload_state *state) {
    lua_newtable(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->globals);
    offload_copy_fields(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "_G");
    lua_pushvalue(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}

/* Pushes the function and its arguments, and returns how many values that are. */
static int unpack_values(lua_State *L, struct offload_call *call, int globals) {
    struct serial_source source = {call->in.bytes.bytes, call->in.bytes.length, &call->in, globals};
    int count = serial_decode(L, &source);
    if (count < 0) lua_error(L);
    parcel_destroy(&call->in);
    return count;
}

enum { RUN_STATE = 1, RUN_GLOBALS, RUN_HANDLER };

/* In protected mode, with the state as its argument. */
static int run(lua_State *L) {
    static const struct serial_style style = {.noun = "result", .moves = 1};
    struct offload_state *state = lua_touserdata(L, RUN_STATE);
    push_globals(L, state);
    lua_pushlightuserdata(L, state);
    lua_pushcclosure(L, keep_traceback, 1);
    int count = unpack_values(L, state->call, RUN_GLOBALS);
    state->status = lua_pcall(L, count - 1, LUA_MULTRET, RUN_HANDLER);
    if (state->status != LUA_OK) return lua_error(L);
    if (serial_encode(L, RUN_HANDLER + 1, &state->call->out, &style) < 0) return lua_error(L);
    parcel_seal(&state->call->out);
    return 0;
}

static void explain_memory(lua_State *L, const struct offload_state *state) {
    int mebibytes = (int)(state->call->memory / MEBIBYTE);
    lua_pushfstring(L, "not enough memory: a job of task.offload may have %d MiB", mebibytes);
    lua_replace(L, -2);
}

enum { FAIL_STATE = 1, FAIL_ERROR };

/* In protected mode, with the state and the error as arguments: packs the error, as a text where it cannot travel as it
 * is, and the traceback or false. */
static int fail(lua_State *L) {
    static const struct serial_style style = {.noun = "error"};
    struct offload_state *state = lua_touserdata(L, FAIL_STATE);
    if (state->status == LUA_ERRMEM) explain_memory(L, state);
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->traceback);
    if (serial_encode(L, FAIL_ERROR, &state->call->out, &style) == 0) return 0;
    parcel_destroy(&state->call->out);
    lua_settop(L, FAIL_ERROR + 1);
    luaL_tolstring(L, FAIL_ERROR, NULL);
    lua_replace(L, FAIL_ERROR);
    serial_encode(L, FAIL_ERROR, &state->call->out, &style);
    return 0;
}

static void state_begin(struct offload_state *state, const struct offload_call *call) {
    lua_settop(state->L, 0);
    lua_pushboolean(state->L, 0);
    lua_rawseti(state->L, LUA_REGISTRYINDEX, state->traceback);
    lua_pushcfunction(state->L, fail); /* now, that it needs no memory then */
    lua_pushlightuserdata(state->L, state);
    state->status = LUA_OK;
    state->limit = state->base + call->memory;
}

/* Whether it can be used again. */
static int state_run(struct offload_state *state, struct offload_call *call) {
    lua_State *L = state->L;
    state_begin(state, call);
    enter(state, call);
    lua_pushcfunction(L, run);
    lua_pushlightuserdata(L, state);
    int status = lua_pcall(L, 1, 0, 0), again = 1;
    call->outcome = OFFLOAD_RETURNED;
    if (status != LUA_OK) {
        if (status == LUA_ERRMEM) state->status = status;
        again = state->status != LUA_ERRMEM;
        state->limit = SIZE_MAX;
        parcel_destroy(&call->out);
        call->outcome = lua_pcall(L, 2, 0, 0) == LUA_OK ? OFFLOAD_FAILED : OFFLOAD_NO_STATE;
    }
    leave(state, call);
    return again && !offload_is_stopping(&call->job);
}

void offload_state_run(struct offload_job *job, void **context) {
    struct offload_call *call = (struct offload_call *)job;
    if (!*context) *context = state_new();
    call->outcome = OFFLOAD_NO_STATE;
    if (!*context || state_run(*context, call)) return;
    offload_state_free(*context);
    *context = NULL;
}
