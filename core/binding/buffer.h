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

/* They raise for a buffer whose memory has moved away (to a thread, by task.offload). */
struct buffer_object *buffer_test(lua_State *L, int index); /* NULL: some other value */
struct buffer_object *buffer_check(lua_State *L, int argument);
struct buffer_object *buffer_peek(lua_State *L, int index); /* as buffer_test, but block->data is NULL then */
unsigned char *buffer_object_data(const struct buffer_object *buffer);
size_t buffer_object_bytes(const struct buffer_object *buffer); /* length in bytes */

/* Pushes the owner of a block in Lua, which takes it: *block is NULL then. */
void buffer_push_owner(lua_State *L, struct block **block);
/* Pushes a buffer of the block whose owner is at index `owner`. */
struct buffer_object *buffer_push(lua_State *L, int owner, size_t offset, size_t count, const struct element *element);
/* Pushes a buffer of zeroed memory of its own. Raises when there is not enough. */
struct buffer_object *buffer_push_new(lua_State *L, size_t count, const struct element *element);

#endif
