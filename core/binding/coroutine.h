/* What coroutine.resume and coroutine.wrap share, in tasks (coroutine.c) and in threads (offload_coroutine.c). */
#ifndef PERIGEE_BINDING_COROUTINE_H
#define PERIGEE_BINDING_COROUTINE_H

#include <lua.h>

/* Moves the `count` results of lua_resume, or the error value, from the coroutine to L: returns how many results, or -1
 * for an error. */
int coroutine_take_results(lua_State *L, lua_State *coroutine, int status, int count);

#endif
