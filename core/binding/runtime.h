/* The runtime: one Lua state on one loop, with its scheduler. Owner: main, or a thread of its own.
 * Invariant: `current` is the running task, or &root between tasks; nothing of Lua runs outside a protected call. */
#ifndef PERIGEE_BINDING_RUNTIME_H
#define PERIGEE_BINDING_RUNTIME_H

#include "binding/heap.h"
#include "binding/memory.h"
#include "binding/scope.h"
#include "binding/task.h"
#include "binding/tidy.h"
#include "binding/watch.h"
#include "io/loop.h"

struct resolver;

struct runtime {
    struct task root; /* the record of whatever is not a task */
    lua_State *L;     /* the main thread: events enter Lua by it */
    struct loop loop;
    struct heap heap;
    struct task *current;
    struct watch watch;
    struct memory memory;
    struct task_list ready;
    struct task *idle; /* ended tasks whose coroutines can be used again */
    unsigned idle_count;
    struct scope *scope;                 /* for tasks of no service */
    struct resolver *resolver;           /* NULL until it is needed */
    struct websocket_memory *websockets; /* NULL until it is needed */
    struct offloading *offloading;       /* NULL until it is needed */
    struct tls_tickets *tickets;         /* NULL until it is needed */
    struct http_client *http_client;     /* NULL until it is needed */
    int threads;                         /* registry reference of the table that anchors the coroutines */
    int on_failure;    /* registry reference of Lua's function for errors of tasks; LUA_NOREF: stderr */
    int request_class; /* registry reference of the metatable of HTTP requests; 0: there is none yet */
    struct {
        unsigned tasks; /* alive */
    } counts;
    int pause;        /* that the collector has, see runtime_tune_collector */
    uint32_t last_id; /* of a task */
    double began;     /* on the loop's clock */
    int closing;      /* the Lua state is being closed: tasks are not resumed any more */
    struct tidy tidy;
};

struct runtime *runtime_new(void); /* with the standard libraries; NULL with errno */
/* 0; or -1 when a thread (of task.offload, of core.durable) could not be ended: the process is to end by _exit(2). */
int runtime_free(struct runtime *runtime);
static inline struct runtime *task_runtime(const struct task *task) {
    return task->home->runtime;
}
static inline struct runtime *runtime_of(lua_State *L) {
    return task_runtime(task_of(L));
}

/* Calls `function` on the main thread with the light userdata `context` as its argument, protected: for events that
 * need Lua. 0, or -1 when it raised (which has been reported). */
int runtime_call(struct runtime *runtime, lua_CFunction function, void *context);

/* Reports the error value and the traceback on top of the main thread's stack, pops them. */
void runtime_report(struct runtime *runtime, const struct task *task);

#endif
