/* Where in a value an encoder met what it cannot encode: "items[3].price". The path is a string on top of the stack; it
 * begins empty where the failure is, and each level on the way up puts its key in front. */
#ifndef PERIGEE_BINDING_ENCODE_PATH_H
#define PERIGEE_BINDING_ENCODE_PATH_H

#include <lua.h>

void encode_path_begin(lua_State *L);
void encode_path_index(lua_State *L, lua_Integer index);
void encode_path_key(lua_State *L, int key); /* which is no container; it may be a string afterwards */

/* Replaces the path by "cannot encode PROBLEM at PATH". */
void encode_path_end(lua_State *L, const char *problem);

#endif
