/* What process.spawn is asked for, from its table. */
#ifndef PERIGEE_BINDING_PROCESS_REQUEST_H
#define PERIGEE_BINDING_PROCESS_REQUEST_H

#include "system/process.h"
#include "system/user.h"

#include <lua.h>

enum { PROCESS_NUMBER_MAX = 1023 }; /* the highest number that a child's descriptor can have */

struct process_order {
    struct process_request request;
    struct user user;
    double grace; /* seconds between SIGTERM and SIGKILL */
};

/* Reads the table at `table`; the request borrows from it and from what is pushed, which stays on the stack. The
 * connections among its descriptors become blocking. 0, or the results of failing. Raises for misuse. */
int process_order_read(lua_State *L, int table, struct process_order *order);

/* The process has started: connections that it was given are closed here. Or it has not: they are as before. */
void process_order_done(lua_State *L, int table, int started);

#endif
