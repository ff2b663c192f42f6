/* Retiring: a connection or WebSocket whose peer sends requests ends between two of them. What has come is still read;
 * a read that would have to wait for more fails with "closed". Its handler answers what is under way, and ends. */
#ifndef PERIGEE_BINDING_RETIRE_H
#define PERIGEE_BINDING_RETIRE_H

#include "binding/scope.h"

#include <lauxlib.h>

/* Retires what those tasks serve that have asked for it. Who waits for input is woken, or else with the next bytes. */
void scope_retire(struct scope *scope, int wakes);

/* The task that serves the connection or WebSocket at an index, of a listener's; NULL: there is none. */
struct task *retire_handler_of(lua_State *L, int index);

extern const luaL_Reg connection_retire_methods[], websocket_retire_methods[];

#endif
