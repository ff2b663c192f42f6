/* Lua's values into a connection's output queue: small strings are copied; a large string or a buffer is sent at once,
 * and what the kernel does not take is referenced. They raise when out of memory. */
#ifndef PERIGEE_BINDING_OUTPUT_H
#define PERIGEE_BINDING_OUTPUT_H

#include "binding/buffer.h"
#include "io/connection.h"

#include <lua.h>

void output_string(lua_State *L, struct connection *connection, int index);
void output_buffer(lua_State *L, struct connection *connection, const struct buffer_object *buffer);
void output_bytes(lua_State *L, struct connection *connection, const void *bytes, size_t length); /* copied */

#endif
