/* The watchdog: a thread that sees when a slice of Lua goes on too long. It sends the main thread a signal, whose handler
 * sets a hook, so that Lua costs nothing more while all is well:
 * after `warn` seconds the hook takes a traceback, which Lua is told when the slice ends; after `stop` seconds it raises
 * an error, and, when the slice goes on for longer than a grace after that, at every further step. Where no hook is run,
 * in a C function or a finalizer, the loop is silent: then the handler writes the stack, and the thread tells of it.
 * Owner: the runtime. Invariant: one per process, on the thread that has started it; `wanted` names the slice that all of
 * what the thread asks is about. */
#ifndef PERIGEE_BINDING_WATCHDOG_H
#define PERIGEE_BINDING_WATCHDOG_H

#include "binding/stack_text.h"
#include "binding/watch.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

struct runtime;
struct task;

enum watchdog_request {
    WATCHDOG_WARN = 1, /* take a traceback */
    WATCHDOG_STOP,     /* raise */
    WATCHDOG_INSIST,   /* raise at every step */
    WATCHDOG_LOOK      /* no hook is run: write the stack, and let hooks be run where Lua has turned them off */
};

struct watchdog_options {
    double warn, stop; /* seconds; 0: never */
    int json;          /* how the log is written */
    int report;        /* descriptor that is told of silence in place of the log, one JSON object a line; -1: none */
};

struct watchdog {
    struct watch *watch;
    struct watchdog_options options;
    pthread_t thread, watched;
    sem_t wake;
    int closing;

    uint64_t wanted; /* what follows is about this slice; stored last */
    double since;    /* a moment when it ran already */
    enum watchdog_request request;

    struct stack_text stack; /* the handler's, until it has counted `looks` */
    unsigned looks;

    /* The main thread's. */
    uint64_t taken;       /* the slice that the traceback is of */
    int is_taken;         /* of the slice that is told about there is one */
    int is_stopped;       /* an error was raised in the slice */
    double seconds;       /* that the slice took */
    double stopped_after; /* seconds, of the last slice that was stopped */
    lua_State *raising;   /* where an error was raised last, at which depth, and when */
    int raising_depth;
    double raising_at;
    unsigned warned, stopped;

    double longest; /* seconds, of any slice; the thread's */
};

#define WATCHDOG_ON_SLOW "perigee.watchdog.on_slow" /* in the registry: a function, told of slices that were too long */

double watchdog_clock(void);
static inline int watchdog_signal(void) {
    return SIGRTMIN + 6;
}

/* 0; or -1 with errno; ENOTSUP: this Lua is another one than we know. */
int watchdog_start(lua_State *L, const struct watchdog_options *options);
void watchdog_stop(struct runtime *runtime);
void watchdog_mark_task(struct watch *watch, struct task *task); /* before a task that was stopped runs again */
/* Raises in a task that was stopped: it is to end, whatever catches the errors. */
int watchdog_raise_again(lua_State *L, struct runtime *runtime);

/* watchdog_thread.c */
int watchdog_thread_start(struct watchdog *watchdog); /* 0, or an errno value */
/* watchdog_report.c: the slice has been silent for so long; the stack is there, or has length 0. In the thread. */
void watchdog_report_silence(const struct watchdog *watchdog, double seconds);

#endif
