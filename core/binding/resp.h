/* RESP to and from the Lua stack: bulk and simple strings, big numbers and verbatim strings are strings; arrays, sets
 * and pushes are sequences; maps are tables by their keys; an error is an object of class perigee.resp.Error; null is a
 * light userdata that is NULL. Attributes are skipped. Nothing here calls back into Lua. */
#ifndef PERIGEE_BINDING_RESP_H
#define PERIGEE_BINDING_RESP_H

#include "bytes/resp.h"

#include <lua.h>

enum { RESP_DEPTH = 512, RESP_DEPTH_MAX = 4096 }; /* levels of nesting */

struct resp_options {
    int depth;
    int makes_buffers; /* of bulk strings */
};

/* What a sequence is marked as by its metatable: how it is encoded. */
enum resp_mark { RESP_UNMARKED, RESP_SIMPLE, RESP_ERROR, RESP_PUSH, RESP_SET, RESP_NULL_ARRAY, RESP_MARKS };

void resp_mark_set(lua_State *L, enum resp_mark mark); /* of the table on top of the stack */
enum resp_mark resp_mark_of(lua_State *L, int table);

/* Pushes the error with this text. */
void resp_error_push(lua_State *L, const char *text, size_t length);

/* A whole message, which has been scanned. They push its values and return how many; or -1 with a message on the stack
 * and, if `bad` is not NULL, where in the bytes it is bad. A push has a second value, "push". */
int resp_push_reply(lua_State *L, const struct resp_options *options, const unsigned char *bytes, size_t length,
                    size_t *bad);
int resp_push_command(lua_State *L, const unsigned char *bytes, size_t length);

/* Appends the value at `index`, for a peer that speaks `version`: 0; or -1 with a message on the stack when it cannot
 * be encoded. The caller owns `out`, and has to be ready for Lua to raise when memory is short. */
int resp_encode(lua_State *L, int index, int version, struct text *out);

#endif
