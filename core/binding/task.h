/* A task: a coroutine and its record. The record is found from any lua_State in O(1) through lua_getextraspace; in
 * the main thread, and in coroutines that a script has made by itself and that do not run, that is the runtime's root
 * record.
 * A wait is made of three steps: task_begin_wait (which raises when the task is cancelled or past its deadline),
 * registering somewhere, and task_wait, which yields; the continuation starts with task_woken.
 * Owner: the scheduler, until the task has ended and no Lua handle is left.
 * Invariant: a task is in at most one list (ready, or a waitlist), and registered in at most one place. */
#ifndef PERIGEE_BINDING_TASK_H
#define PERIGEE_BINDING_TASK_H

#include "io/timers.h"
#include "io/waiter.h"

#include <lua.h>
#include <stdint.h>

enum task_state {
    TASK_READY,   /* to be resumed at the scheduler's next turn */
    TASK_RUNNING, /* its coroutine is on the C stack */
    TASK_PARKED,  /* waits */
    TASK_ENDING,  /* its function has returned; its children are being cancelled */
    TASK_ENDED
};

/* It has run for too long without waiting: every further wait raises. DOOMED: and so does every step of Lua, since it has
 * caught the error and yielded. */
enum task_overrun { TASK_OVERRAN = 1, TASK_DOOMED };

/* What a task is for. */
enum task_kind { TASK_PLAIN, TASK_CONNECTION, TASK_REQUEST, TASK_WEBSOCKET, TASK_DATAGRAM };

/* How a stop treats a task that serves a peer: no otherwise than it says; or what it serves is retired (retire.h), which
 * it was not yet, or was but nobody was woken, or was. */
enum task_courtesy { TASK_NO_COURTESY, TASK_TO_RETIRE, TASK_RETIRED, TASK_RETIRED_AWAKE };

enum task_outcome { TASK_RETURNED, TASK_FAILED, TASK_CANCELLED };

struct runtime;
struct scope;
struct task;

struct task_list {
    struct task *first, **end;
};

/* Takes a parked task out of what it waits for: 1, or 0 when it has to stay parked a little (it winds up). */
typedef int task_interrupt(struct task *task, void *subject);
typedef void task_ended(struct task *task, void *context);

struct task {
    struct waiter waiter;
    struct timer timer; /* may be set earlier than wake_at, then it is moved when it fires */
    lua_State *L;
    struct task *next, **link;          /* in the list it is in; link NULL: in none */
    struct scope *home;                 /* the scope that it belongs to */
    struct task *younger, **elder_link; /* in its home's list of tasks */
    struct scope *scope;                /* the innermost scope opened by it; NULL: none yet */
    task_interrupt *interrupt;
    void *subject;
    double deadline;   /* of task.deadline, on the loop's clock; INFINITY: none */
    double wake_at;    /* of this wait */
    task_ended *ended; /* of a task that serves something: a connection, a datagram, the process itself */
    void *ended_context;
    struct task_handle *handle; /* Lua's handle, NULL: none */
    int anchor;                 /* of the coroutine, in the registry */
    uint32_t id;                /* not 0; of all tasks since the start, as long as there were not 2^32 */
    uint32_t born;              /* tenths of seconds of the loop's clock, since the runtime's start */
    unsigned state : 3;         /* enum task_state */
    unsigned outcome : 2;       /* enum task_outcome */
    unsigned cancelled : 1;     /* asked to end: every further wait raises */
    unsigned timed_out : 1;     /* the last wait ended by its own time limit */
    unsigned completing : 1;    /* it has ended, and who cares is being told: not to be recycled yet */
    unsigned endless : 1;       /* it serves a peer that expects no end: a WebSocket */
    unsigned live : 1;          /* it follows the newest code of its service over reloads */
    unsigned shares_home : 1;   /* what it spawns belongs to its home scope: a script's main chunk */
    unsigned overran : 2;       /* enum task_overrun, or 0 */
    unsigned kind : 3;          /* enum task_kind */
    unsigned courtesy : 2;      /* enum task_courtesy */
};

struct task *task_of(lua_State *L); /* the record of the coroutine, or the root */
int task_may_wait(lua_State *L);    /* in the running task, or in a coroutine that it has resumed */

/* A new task in `scope`, from the pool when it can; the function and its arguments are then pushed on its L.
 * Raises when out of memory. It starts with task_schedule, or with task_start from an event. */
struct task *task_new(lua_State *L, struct scope *scope);
void task_schedule(struct task *task);
void task_start(struct task *task);

/* The scheduler's turn: runs the tasks that are ready. */
void task_turn(struct runtime *runtime);
void task_trim_pool(struct runtime *runtime); /* frees the ended coroutines that are kept */
void task_children_ended(struct task *task);  /* its scope is empty: a task that was ending ends */

void task_cancel(struct task *task);
/* Lets a parked task look at what has changed for it (its group has failed). */
void task_disturb(struct task *task);

/* Raises unless L is a task that may wait. `what` names the operation in the error. */
struct task *task_begin_wait(lua_State *L, const char *what);
/* Yields until woken, or `wake_at` on the loop's clock (INFINITY: never). Does not return. */
int task_wait(lua_State *L, struct task *task, double wake_at, task_interrupt *interrupt, void *subject,
              lua_KContext context, lua_KFunction continuation);
/* At the start of a continuation: raises when the task was cancelled; returns whether the wait timed out. */
int task_woken(lua_State *L);
/* Raises when the task was cancelled, is past its deadline, or one of its group's tasks failed. */
void task_check_interrupted(lua_State *L, struct task *task);
int task_is_interrupted(const struct task *task);

/* Gives up the handle of an ended task, or lets it run on without one. */
void task_release_handle(struct task *task);

void task_list_init(struct task_list *list);
void task_list_add(struct task_list *list, struct task *task);
void task_list_remove(struct task_list *list, struct task *task);
int task_list_interrupt(struct task *task, void *list); /* a task_interrupt for those parked in a list */

#endif
