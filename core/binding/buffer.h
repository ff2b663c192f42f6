/* Buffers in Lua: typed views of a shared block of memory. */
#ifndef PERIGEE_BINDING_BUFFER_H
#define PERIGEE_BINDING_BUFFER_H

#include "bytes/block.h"

#include <lua.h>

struct buffer_object {
    struct block *block;
    size_t offset; /* bytes into the block */
    size_t count;  /* elements */
    const struct element *element;
};

struct buffer_object *buffer_test(lua_State *L, int index); /* NULL: some other value */
struct buffer_object *buffer_check(lua_State *L, int argument);
unsigned char *buffer_object_data(const struct buffer_object *buffer);
size_t buffer_object_bytes(const struct buffer_object *buffer); /* length in bytes */

#endif
