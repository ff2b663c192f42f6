/* Hooks that raise. While a hook runs, Lua has hooks turned off in that coroutine. An error turns them on again where a
 * pcall catches it; but when it ends the coroutine, what closes then, and the next use of the coroutine, are without
 * hooks, and so is a message handler. There is no call to turn them on; the byte that tells is known. */
#ifndef PERIGEE_BINDING_HOOKS_H
#define PERIGEE_BINDING_HOOKS_H

#include <lua.h>

/* Whether this Lua has the byte where we think: to be asked before the others are called. Runs a hook. */
int hooks_are_known(lua_State *L);
void hooks_allow(lua_State *L);

#endif
