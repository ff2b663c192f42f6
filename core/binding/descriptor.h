/* Descriptors in Lua: those that nothing here reads or writes, for handing on, or for taking over. */
#ifndef PERIGEE_BINDING_DESCRIPTOR_H
#define PERIGEE_BINDING_DESCRIPTOR_H

#include "system/address.h"
#include "system/descriptor.h"

#include <lua.h>

struct descriptor_object {
    int fd; /* -1: closed, or taken over */
    enum scheme scheme;
    int unlinks; /* closing it removes the Unix socket's file */
};

/* A new one is closed: memory comes first. */
struct descriptor_object *descriptor_new(lua_State *L);
struct descriptor_object *descriptor_check(lua_State *L, int argument);
struct descriptor_object *descriptor_test(lua_State *L, int index); /* NULL: some other value */

/* Pushes what a descriptor becomes in Lua: a connection, a datagram socket, a file, or a descriptor. Takes *fd, which is
 * -1 then; it is still the caller's when this raises for lack of memory. */
int descriptor_push(lua_State *L, int *fd);
int descriptor_push_raw(lua_State *L, int *fd); /* the same, but always a descriptor */

/* The descriptor at an argument, to be taken over: checks that it is open and of the kind. 0, or the results of failing:
 * "OPERATION descriptor: why". */
int descriptor_check_kind(lua_State *L, int argument, enum descriptor_kind kind, const char *operation);
int descriptor_take(struct descriptor_object *descriptor); /* its fd, which is the caller's now: it is closed */

#endif
