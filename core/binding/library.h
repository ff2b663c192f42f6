/* The Lua library inside the binary: every file under lua/ as bytes, made by the Makefile into build/library.c.
 * With PERIGEE_LUA=DIR in the environment the files of DIR come first: for work on the library itself. */
#ifndef PERIGEE_BINDING_LIBRARY_H
#define PERIGEE_BINDING_LIBRARY_H

#include <lua.h>

struct library_file {
    const char *name; /* "perigee/net.lua" */
    const unsigned char *bytes;
    size_t length;
};

extern const struct library_file library_files[]; /* ended by a NULL name */

/* Makes require find core.NAME in C and perigee.NAME in the library, before anything on package.path. */
void library_open(lua_State *L);

#endif
