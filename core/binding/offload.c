/* task.offload(f, ...): the caller's side. */
#include "binding/offload.h"
#include "binding/interruption.h"
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/serialise.h"
#include "binding/support.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char CLASS[] = "perigee.offload";

enum { THREADS_MOST = 256, QUEUE = 1024 /* calls */, QUEUE_MOST = 1 << 24 };
enum { MEMORY = 256 * 1024 * 1024 /* bytes */, MEMORY_LEAST = 64 * 1024 };

struct offload_object {
    struct offload_call *call; /* NULL: given up */
};

/* The runtime's share. */

static struct offloading *offloading_of(lua_State *L) {
    static const struct offload_hooks hooks = {offload_state_rest, offload_state_free};
    struct runtime *runtime = runtime_of(L);
    if (runtime->offloading) return runtime->offloading;
    struct offloading *offloading = calloc(1, sizeof *offloading);
    if (offloading) offloading->pool = offload_new(&runtime->loop, hooks, 0, QUEUE);
    if (!offloading || !offloading->pool) {
        free(offloading);
        luaL_error(L, "not enough memory");
        return NULL;
    }
    offloading->memory = MEMORY;
    runtime->offloading = offloading;
    return offloading;
}

int offloading_free(struct offloading *offloading) {
    int result = offloading ? offload_free(offloading->pool) : 0;
    free(offloading);
    return result;
}

unsigned offloading_count(const struct offloading *offloading) {
    return offloading ? offload_count(offloading->pool) : 0;
}

/* A call. */

static void call_free(struct offload_call *call) {
    parcel_destroy(&call->in);
    parcel_destroy(&call->out);
    free(call);
}

static void call_on_done(struct offload_job *job) {
    struct offload_call *call = (struct offload_call *)job;
    call->done = 1;
    if (call->abandoned) call_free(call);
    else waiter_wake(&call->waiter, WAKE_NOW);
}

static struct offload_call *call_new(struct offloading *offloading) {
    struct offload_call *call = calloc(1, sizeof *call);
    if (!call) return NULL;
    call->job.run = offload_state_run;
    call->job.stop = offload_state_stop;
    call->job.done = call_on_done;
    call->offloading = offloading;
    call->memory = offloading->memory;
    return call;
}

/* Nobody wants what it returns. */
static void call_give_up(struct offload_call *call) {
    call->waiter = NULL;
    call->abandoned = 1;
    if (!call->submitted || call->done || offload_stop(call->offloading->pool, &call->job)) call_free(call);
}

static struct offload_object *check_object(lua_State *L, int index) {
    return luaL_checkudata(L, index, CLASS);
}

static int object_gc(lua_State *L) {
    struct offload_object *object = check_object(L, 1);
    struct offload_call *call = object->call;
    object->call = NULL;
    if (call) call_give_up(call);
    return 0;
}

/* Pushes the traceback in the thread, which is on top of the stack as a string or false, and that of the task behind
 * it. */
static void push_traceback(lua_State *L) {
    static const char title[] = "stack traceback:";
    luaL_traceback(L, L, NULL, 1);
    if (lua_type(L, -2) != LUA_TSTRING) return;
    const char *inner = lua_tostring(L, -2), *outer = lua_tostring(L, -1);
    if (strncmp(outer, title, sizeof title - 1) == 0) outer += sizeof title - 1;
    lua_pushfstring(L, "%s\n\t(a thread of task.offload)%s", inner, outer);
}

/* Raises the error of the call, which is below the traceback on top of the stack. */
static int raise_failure(lua_State *L) {
    int error = lua_gettop(L) - 1;
    push_traceback(L);
    lua_replace(L, error + 1);
    lua_settop(L, error + 1);
    interruption_remember(L);
    return lua_error(L);
}

static int push_results(lua_State *L, struct offload_object *object) {
    struct offload_call *call = object->call;
    struct serial_source source = {call->out.bytes.bytes, call->out.bytes.length, &call->out, 0};
    int has_failed = call->outcome == OFFLOAD_FAILED;
    if (call->outcome == OFFLOAD_NO_STATE) return luaL_error(L, "not enough memory for the Lua state of a thread");
    int count = serial_decode(L, &source);
    if (count < 0) return luaL_error(L, "%s", lua_tostring(L, -1));
    object->call = NULL;
    call_free(call);
    return has_failed ? raise_failure(L) : count;
}

static int call_interrupt(struct task *task, void *subject) {
    struct offload_object *object = subject;
    (void)task;
    call_give_up(object->call);
    object->call = NULL;
    return 1;
}

enum { OFFLOAD_OBJECT = 1, OFFLOAD_FUNCTION };

static int offload_step(lua_State *L, int resumed, lua_KContext context) {
    struct offload_object *object = check_object(L, OFFLOAD_OBJECT);
    (void)context;
    if (resumed == LUA_YIELD) task_woken(L);
    if (object->call->done) return push_results(L, object);
    struct task *task = task_begin_wait(L, "offload");
    object->call->waiter = &task->waiter;
    return task_wait(L, task, INFINITY, call_interrupt, object, 0, offload_step);
}

static int fail_to_submit(lua_State *L, struct offload_object *object, int error) {
    unsigned queue = offload_queue_limit(object->call->offloading->pool);
    call_give_up(object->call);
    object->call = NULL;
    if (error != ENOBUFS) return support_fail(L, "limit", "offload: no thread can be started: %s", strerror(error));
    return support_fail(L, "limit", "offload: %d calls wait for a thread already", (int)queue);
}

/* task.offload(f, ...) -> what f returned; or nil, message, "limit". Raises what f raised. */
static int offload(lua_State *L) {
    static const struct serial_style style = {.noun = "argument", .has_function = 1, .code = 1, .moves = 1};
    luaL_checktype(L, 1, LUA_TFUNCTION);
    task_begin_wait(L, "offload");
    struct offloading *offloading = offloading_of(L);
    struct offload_object *object = support_new(L, CLASS, sizeof *object, 0);
    lua_insert(L, OFFLOAD_OBJECT);
    struct offload_call *call = object->call = call_new(offloading);
    if (!call) return luaL_error(L, "not enough memory");
    if (serial_encode(L, OFFLOAD_FUNCTION, &call->in, &style) < 0) return luaL_error(L, "%s", lua_tostring(L, -1));
    if (offload_prepare(offloading->pool) < 0) return fail_to_submit(L, object, errno);
    parcel_seal(&call->in);
    call->submitted = 1;
    offload_submit(offloading->pool, &call->job);
    lua_settop(L, OFFLOAD_OBJECT);
    return offload_step(L, LUA_OK, 0);
}

static void push_field(lua_State *L, const char *name, lua_Integer value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

/* task.offload_options({ threads =, queue =, memory = }?) -> what is in force then */
static int offload_options(lua_State *L) {
    static const char *const names[] = {"threads", "queue", "memory", NULL};
    struct offloading *offloading = offloading_of(L);
    support_check_options(L, 1, names);
    lua_Integer threads = offload_thread_limit(offloading->pool), queue = offload_queue_limit(offloading->pool);
    lua_Integer memory = (lua_Integer)offloading->memory;
    threads = support_option_integer(L, 1, "threads", 1, THREADS_MOST, threads);
    queue = support_option_integer(L, 1, "queue", 0, QUEUE_MOST, queue);
    memory = support_option_integer(L, 1, "memory", MEMORY_LEAST, PTRDIFF_MAX, memory);
    offload_limit(offloading->pool, (unsigned)threads, (unsigned)queue);
    offloading->memory = (size_t)memory;
    lua_createtable(L, 0, 3);
    push_field(L, "threads", threads);
    push_field(L, "queue", queue);
    push_field(L, "memory", memory);
    return 1;
}

void offload_open(lua_State *L) {
    static const luaL_Reg functions[] = {{"offload", offload}, {"offload_options", offload_options}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", object_gc}, {NULL, NULL}};
    support_class(L, CLASS, NULL, metamethods);
    luaL_setfuncs(L, functions, 0);
}
