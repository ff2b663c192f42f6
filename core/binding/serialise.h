/* Values of Lua as bytes, for another Lua state: in another thread or another process on this machine.
 * Plain values are nil, booleans, integers, floats, strings, json.null, buffers (copied), and tables of these without a
 * metatable (JSON's marks are kept). Tables and buffers that occur more than once, also within themselves, stay shared.
 * Nothing here calls back into Lua: metamethods are not followed. */
#ifndef PERIGEE_BINDING_SERIALISE_H
#define PERIGEE_BINDING_SERIALISE_H

#include "binding/parcel.h"

#include <lua.h>

enum { SERIAL_DEPTH = 500 }; /* levels of tables and functions */

struct serial_style {
    const char *noun; /* what a message calls the values: "argument" */
    int has_function; /* the first is called "the function", and is not counted */
    int code;         /* Lua functions with their upvalues, and modules and their functions by name */
    int moves;        /* buffers move */
};

/* Appends values `first` to the top to the parcel: 0; or -1 with a message on the stack, which names the place of what
 * cannot travel: "upvalue 'conn' of the function: a connection cannot travel". The caller owns the parcel, and has to
 * be ready for Lua to raise when memory is short. */
int serial_encode(lua_State *L, int first, struct parcel *parcel, const struct serial_style *style);

struct serial_source {
    const char *bytes;
    size_t length;
    struct parcel *parcel; /* with the blocks that move; NULL: none do */
    int globals;           /* index of the table that functions get as _ENV; 0: bytes with code in them are refused */
};

/* Pushes the values and returns how many; or pushes a message and returns -1. With code it may raise. */
int serial_decode(lua_State *L, const struct serial_source *source);

#endif
