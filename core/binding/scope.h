/* A scope: the tasks that end together. Every task has one for its children, made when it first spawns; a group is
 * one with its own rule for errors; a service's scope holds its background tasks and connections.
 * Owner: counted holders (Lua's handle, its tasks, the task that opened it).
 * Invariant: count is the number of tasks in the list. */
#ifndef PERIGEE_BINDING_SCOPE_H
#define PERIGEE_BINDING_SCOPE_H

#include "binding/task.h"

#include <lua.h>

struct runtime;

struct scope {
    unsigned holders;
    unsigned count;
    struct task *tasks;       /* the youngest first */
    struct task *owner;       /* the task that opened it; NULL: the runtime or a service */
    struct scope *outer;      /* the scope of the owner around this one */
    struct task_list waiters; /* wait for the last task to end */
    struct runtime *runtime;
    int failure, traceback; /* of a group: the first error, references in the registry */
    unsigned group : 1;     /* an error of one task cancels the others, and is kept */
    unsigned failed : 1;
    unsigned has_context : 1;
};

struct scope *scope_new(struct runtime *runtime, struct task *owner); /* held once; NULL when out of memory */
struct scope *scope_hold(struct scope *scope);
void scope_drop(struct scope *scope);

void scope_add(struct scope *scope, struct task *task);
/* Takes out a task that has ended, but that still holds the scope; the last one wakes the waiters. Returns the owner,
 * which has no children any more and is to be told; or NULL. */
struct task *scope_remove(struct scope *scope, struct task *task);
void scope_abandon(struct task *task); /* takes out a task that will never run again, but that still holds the scope */
void scope_cancel_background(struct scope *scope);       /* those that serve nothing */
void scope_cancel_endless(struct scope *scope);          /* those whose peers expect no end */
void scope_cancel(struct scope *scope);                  /* every task in it */
unsigned scope_count_serving(const struct scope *scope); /* those that serve a connection or a datagram */

struct scope *scope_check(lua_State *L, int argument); /* a scope object */
/* A task that has not ended belongs to the other scope from now on. */
void scope_move(struct task *task, struct scope *to);
/* The tasks that are marked live and serve somebody belong to the other scope from now on: returns how many. */
unsigned scope_move_live(struct scope *scope, struct scope *to);
/* Marks the running task live, or the one in a service's scope that it descends from. */
void scope_mark_live(struct task *task);

/* Where task.spawn puts a new task: the innermost scope of the running task. Raises when out of memory. */
struct scope *scope_current(lua_State *L);

/* Whether a group that the task has opened has failed. */
int scope_is_failing(const struct task *task);

/* A group's task has failed with the error and the traceback on top of L, which are popped. */
void scope_fail(struct scope *scope, lua_State *L);

/* What belongs to a scope in Lua, a version of a service. It is not kept alive by the scope, as it holds the scope. */
void scope_set_context(lua_State *L, struct scope *scope, int index);
void scope_push_context(lua_State *L, const struct scope *scope); /* or nil */

/* The outermost scope of a task: its service's, or the runtime's. */
struct scope *scope_root(const struct task *task);

#endif
