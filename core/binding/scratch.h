/* A text that an encoder makes its document in: a part of what it holds keeps allocated between calls, and one call may
 * come within another, when a finalizer runs meanwhile and encodes too.
 * Owner: its userdata in Lua. Each call notes the length that it found, and goes back to it. */
#ifndef PERIGEE_BINDING_SCRATCH_H
#define PERIGEE_BINDING_SCRATCH_H

#include "bytes/text.h"

#include <lua.h>

struct text *scratch_push(lua_State *L); /* a new one, to be the upvalue of functions */

/* Back to `length`: what this call has added is gone. */
void scratch_reset(struct text *text, size_t length);
/* Pushes what is behind `length` as a string, and goes back there. */
void scratch_push_string(lua_State *L, struct text *text, size_t length);

#endif
