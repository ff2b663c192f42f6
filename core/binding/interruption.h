/* An interruption: the error value that unwinds a task which was cancelled, is past its deadline, or whose group has
 * failed. It has the fields message and code, and can be caught, but every further wait raises it again.
 * Beside it, the traceback of the first raise, kept while an error passes through groups and deadlines. */
#ifndef PERIGEE_BINDING_INTERRUPTION_H
#define PERIGEE_BINDING_INTERRUPTION_H

#include <lua.h>

enum interruption { INTERRUPTION_NONE, INTERRUPTION_CANCELLED, INTERRUPTION_DEADLINE, INTERRUPTION_GROUP };

void interruption_open(lua_State *L); /* makes the class */
int interruption_raise(lua_State *L, enum interruption kind);
enum interruption interruption_test(lua_State *L, int index); /* NONE: some other value */

/* A message handler: remembers the traceback of the error value, unless it is remembered already. */
int interruption_message_handler(lua_State *L);
/* Remembers the traceback on top of the stack for the error value below it; pops the traceback. */
void interruption_remember(lua_State *L);
/* Pushes the remembered traceback of the error value on top of L, or that of the coroutine as it stands. Lua's error of
 * memory is replaced by one that says what was asked for, see memory.h. */
void interruption_push_traceback(lua_State *L, lua_State *coroutine);

#endif
