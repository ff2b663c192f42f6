/* The names under which what is loaded can be found in every Lua state: modules, and the functions in them. */
#ifndef PERIGEE_BINDING_SERIALISE_NAMES_H
#define PERIGEE_BINDING_SERIALISE_NAMES_H

#include <lua.h>

/* Pushes a table, not to be changed: modules and the functions in them to "MODULE\0FIELD", where FIELD is "" for the
 * module itself. */
void names_push(lua_State *L);

/* Gives the functions that a service's globals have in place of the standard ones the names of these, in the table at
 * `names`: functions to "_G\0FIELD". */
void names_add_globals(lua_State *L, int globals, int names);

#endif
