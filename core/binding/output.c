#include "binding/output.h"
#include "binding/runtime.h"
#include "bytes/tiny.h"

#include <lauxlib.h>
#include <stdlib.h>

/* A string that the output queue refers to after the call. */
struct anchor {
    struct runtime *runtime;
    int reference;
};

static void anchor_release(void *owner) {
    struct anchor *anchor = owner;
    if (!anchor->runtime->closing) luaL_unref(anchor->runtime->L, LUA_REGISTRYINDEX, anchor->reference);
    free(anchor);
}

static int anchor_make(lua_State *L) {
    struct anchor *anchor = malloc(sizeof *anchor);
    if (!anchor) return luaL_error(L, "not enough memory");
    lua_pushlightuserdata(L, anchor);
    lua_insert(L, 1);
    anchor->runtime = runtime_of(L);
    anchor->reference = luaL_ref(L, LUA_REGISTRYINDEX); /* may raise, and then leaks these few bytes */
    return 1;
}

/* Protected: the queue may refer to the string already, and then running out of memory ends the connection. */
static struct anchor *anchor_new(lua_State *L, struct connection *connection, int index) {
    index = lua_absindex(L, index);
    lua_pushcfunction(L, anchor_make);
    lua_pushvalue(L, index);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        connection_abort(connection);
        lua_error(L);
    }
    struct anchor *anchor = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return anchor;
}

/* Sends what is queued and then the bytes; those that the kernel does not take stay queued, and the segment refers to
 * `data` without a holder yet: returns whether it needs one. */
static int send_through(lua_State *L, struct connection *connection, const void *data, size_t length) {
    int full = connection_is_full(connection);
    if (connection_write_borrow(connection, data, length, NULL, NULL) < 0) luaL_error(L, "not enough memory");
    return full || connection_flush(connection) == IO_WAIT;
}

void output_bytes(lua_State *L, struct connection *connection, const void *bytes, size_t length) {
    if (length && connection_write_copy(connection, bytes, length) < 0) luaL_error(L, "not enough memory");
}

void output_string(lua_State *L, struct connection *connection, int index) {
    size_t length;
    const char *data = lua_tolstring(L, index, &length);
    if (length < REFERENCE_FROM) output_bytes(L, connection, data, length);
    else if (send_through(L, connection, data, length))
        queue_hold_last(&connection->output, anchor_release, anchor_new(L, connection, index));
}

static void release_block(void *owner) {
    block_drop(owner);
}

void output_buffer(lua_State *L, struct connection *connection, const struct buffer_object *buffer) {
    size_t length = buffer_object_bytes(buffer);
    if (length && send_through(L, connection, buffer_object_data(buffer), length))
        queue_hold_last(&connection->output, release_block, block_hold(buffer->block));
}
