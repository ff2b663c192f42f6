/* JSON (RFC 8259), straight to and from the Lua stack. Integers stay integers (64 bits; beyond that they are floats),
 * floats round-trip, null is a light userdata that is NULL. Keys 1..n make an array, string keys an object; an empty
 * table is an object unless its metatable marks it as an array, which every empty array that is decoded has.
 * Nothing here calls back into Lua: metamethods are not followed. */
#ifndef PERIGEE_BINDING_JSON_H
#define PERIGEE_BINDING_JSON_H

#include "bytes/text.h"

#include <lua.h>

/* Levels of nesting. What is decoded by default can be encoded too. */
enum { JSON_DEPTH = 512, JSON_DEPTH_MAX = 4096 };

/* All zero is the shortest form. */
struct json_style {
    const char *indent; /* for each level, on lines of their own; NULL: no lines */
    int sorts_keys;     /* by their bytes */
};

/* Appends the document for the value at `index`: 0; or -1 with a message on the stack when it cannot be encoded. The
 * caller owns `out`, and has to be ready for Lua to raise when memory is short. */
int json_encode(lua_State *L, int index, struct text *out);
int json_encode_styled(lua_State *L, int index, struct text *out, const struct json_style *style);

/* Pushes the value of the document and returns 1; or pushes nil, message, "protocol" and returns 3. `max_depth`: at
 * most JSON_DEPTH_MAX. The last of duplicate keys wins. */
int json_decode(lua_State *L, const char *bytes, size_t length, int max_depth);

enum json_mark { JSON_UNMARKED, JSON_ARRAY, JSON_OBJECT };

/* Marks the table on top of the stack by its metatable. */
void json_mark_set(lua_State *L, enum json_mark mark);
enum json_mark json_mark_of(lua_State *L, int table);

#endif
