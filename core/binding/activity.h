/* Waiting until something has less to do: a listener fewer connections, a datagram socket fewer handlers.
 * Owner: the userdata that it is embedded in, which the waiting tasks hold. */
#ifndef PERIGEE_BINDING_ACTIVITY_H
#define PERIGEE_BINDING_ACTIVITY_H

#include "binding/task.h"

#include <lua.h>

struct activity {
    const unsigned *count;
    struct task_list waiting;
};

void activity_init(struct activity *activity, const unsigned *count);
/* The count has become less. */
void activity_tell(struct activity *activity);

/* object:await(below, seconds) -> true, or nil, message, code: until the count is less than `below` (default 1). The
 * object of the activity is at 1. */
int activity_await(lua_State *L, struct activity *activity);

#endif
