/* Lua's handle of a task: what task.spawn returns. It keeps the record and the results of an ended task. */
#ifndef PERIGEE_BINDING_TASK_HANDLE_H
#define PERIGEE_BINDING_TASK_HANDLE_H

#include "binding/task.h"

struct task_handle {
    struct task *task;
    struct task_list joiners;
};

void task_handle_open(lua_State *L);                    /* makes the class */
void task_handle_push(lua_State *L, struct task *task); /* a new handle of a task that has none */
int task_handle_is_joined(const struct task_handle *handle);
void task_handle_wake_joiners(struct task_handle *handle);

#endif
