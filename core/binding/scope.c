#include "binding/scope.h"
#include "binding/runtime.h"
#include "binding/task_handle.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdlib.h>

static const char CONTEXTS[] = "perigee.contexts"; /* by scope; a weak table */

static void scope_push_contexts(lua_State *L) {
    if (luaL_getsubtable(L, LUA_REGISTRYINDEX, CONTEXTS)) return;
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
}

void scope_set_context(lua_State *L, struct scope *scope, int index) {
    index = lua_absindex(L, index);
    scope_push_contexts(L);
    lua_pushvalue(L, index);
    lua_rawsetp(L, -2, scope);
    lua_pop(L, 1);
    scope->has_context = 1;
}

void scope_push_context(lua_State *L, const struct scope *scope) {
    if (!scope->has_context) {
        lua_pushnil(L);
        return;
    }
    scope_push_contexts(L);
    lua_rawgetp(L, -1, scope);
    lua_remove(L, -2);
}

static void scope_forget_context(lua_State *L, struct scope *scope) {
    if (!scope->has_context) return;
    scope_push_contexts(L);
    lua_pushnil(L);
    lua_rawsetp(L, -2, scope);
    lua_pop(L, 1);
}

struct scope *scope_new(struct runtime *runtime, struct task *owner) {
    struct scope *scope = calloc(1, sizeof *scope);
    if (!scope) return NULL;
    scope->holders = 1;
    task_list_init(&scope->waiters);
    scope->runtime = runtime;
    scope->owner = owner;
    scope->failure = scope->traceback = LUA_NOREF;
    return scope;
}

struct scope *scope_hold(struct scope *scope) {
    scope->holders++;
    return scope;
}

void scope_drop(struct scope *scope) {
    if (--scope->holders) return;
    assert(!scope->count); /* its tasks hold it */
    lua_State *L = scope->runtime->L;
    if (L) { /* else the state is closed, and its registry gone */
        scope_forget_context(L, scope);
        luaL_unref(L, LUA_REGISTRYINDEX, scope->failure);
        luaL_unref(L, LUA_REGISTRYINDEX, scope->traceback);
    }
    free(scope);
}

void scope_add(struct scope *scope, struct task *task) {
    task->home = scope_hold(scope);
    task->younger = scope->tasks;
    task->elder_link = &scope->tasks;
    if (task->younger) task->younger->elder_link = &task->younger;
    scope->tasks = task;
    scope->count++;
}

/* The last task of a scope has ended: returns whose child it was. */
static struct task *scope_emptied(struct scope *scope) {
    while (scope->waiters.first) {
        struct task *waiter = scope->waiters.first;
        task_list_remove(&scope->waiters, waiter);
        task_schedule(waiter);
    }
    return scope->owner && scope->owner->scope == scope ? scope->owner : NULL;
}

static void scope_unlink(struct scope *scope, struct task *task) {
    *task->elder_link = task->younger;
    if (task->younger) task->younger->elder_link = task->elder_link;
    task->elder_link = NULL;
    scope->count--;
}

void scope_cancel(struct scope *scope) {
    for (struct task *task = scope->tasks; task; task = task->younger) task_cancel(task);
}

void scope_cancel_background(struct scope *scope) {
    for (struct task *task = scope->tasks; task; task = task->younger)
        if (!task->ended) task_cancel(task);
}

void scope_cancel_endless(struct scope *scope) {
    for (struct task *task = scope->tasks; task; task = task->younger)
        if (task->endless) task_cancel(task);
}

unsigned scope_count_serving(const struct scope *scope) {
    unsigned count = 0;
    for (const struct task *task = scope->tasks; task; task = task->younger) count += task->ended != NULL;
    return count;
}

void scope_mark_live(struct task *task) {
    while (task->home->owner) task = task->home->owner;
    task->live = 1;
}

void scope_move(struct task *task, struct scope *to) {
    struct scope *from = scope_hold(task->home);
    struct task *childless = scope_remove(from, task);
    if (childless) task_children_ended(childless);
    scope_drop(from); /* the task's own hold */
    scope_add(to, task);
    scope_drop(from);
}

unsigned scope_move_live(struct scope *scope, struct scope *to) {
    unsigned moved = 0;
    for (struct task *task = scope->tasks, *next; task; task = next) {
        next = task->younger;
        if (!task->live || !task->ended) continue;
        scope_move(task, to);
        moved++;
    }
    return moved;
}

struct scope *scope_current(lua_State *L) {
    struct runtime *runtime = runtime_of(L);
    struct task *task = runtime->current;
    if (task == &runtime->root) return runtime->scope;
    if (!task->scope && task->shares_home) return task->home;
    if (!task->scope && !(task->scope = scope_new(runtime, task))) luaL_error(L, "not enough memory");
    return task->scope;
}

int scope_is_failing(const struct task *task) {
    for (const struct scope *scope = task->scope; scope; scope = scope->outer)
        if (scope->failed) return 1;
    return 0;
}

void scope_fail(struct scope *scope, lua_State *L) {
    if (scope->failed) {
        lua_pop(L, 2);
        return;
    }
    scope->failed = 1;
    scope->traceback = luaL_ref(L, LUA_REGISTRYINDEX);
    scope->failure = luaL_ref(L, LUA_REGISTRYINDEX);
    scope_cancel(scope);
    task_disturb(scope->owner); /* its body sees that the group is failing */
}

struct scope *scope_root(const struct task *task) {
    struct scope *scope = task->home;
    while (scope && scope->owner) scope = scope->owner->home;
    return scope ? scope : task_runtime(task)->scope;
}

struct task *scope_remove(struct scope *scope, struct task *task) {
    scope_unlink(scope, task);
    return scope->count ? NULL : scope_emptied(scope);
}

void scope_abandon(struct task *task) {
    struct scope *own = task->scope;
    while (own && own->group) own = own->outer; /* a group is held by its object */
    if (task->elder_link) scope_unlink(task->home, task);
    if (own) scope_drop(own);
}
