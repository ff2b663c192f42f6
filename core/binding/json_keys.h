/* What the keys of a table make of it in JSON. The table at `table` is on top of the stack when these are called; what a
 * call that fails leaves above it is the caller's to drop. */
#ifndef PERIGEE_BINDING_JSON_KEYS_H
#define PERIGEE_BINDING_JSON_KEYS_H

#include <lua.h>

struct json_key {
    const char *bytes;
    size_t length;
    lua_Integer index; /* in the sequence of keys */
};

/* n, when the keys are 1..n in whatever order; -1 when not. */
lua_Integer json_keys_count(lua_State *L, int table);

/* lua_next gave the key `index` of `length`, and a value, which are above the table: do index + 1 ... length follow, and
 * nothing else? */
int json_keys_follow(lua_State *L, int table, lua_Integer index, lua_Integer length);

/* Pushes a sequence of the keys, and a userdata with a json_key for each, in the order of their bytes. Returns how many,
 * or -1 when one is no string. */
lua_Integer json_keys_push_sorted(lua_State *L, int table);

/* Replaces the table by a copy where the integers among the keys are strings: 0, or -1 when a key would come twice. */
int json_keys_stringify(lua_State *L, int table);

#endif
