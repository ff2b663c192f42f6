/* Descriptors over a connection. Files: connection_descriptors.c (sending), connection_receipt.c (receiving).
 * On the wire there is one byte with each descriptor; then, when both sides ask for it, what had been read of a connection
 * but not consumed: a length (4 bytes, the highest first) and the bytes. */
#ifndef PERIGEE_BINDING_CONNECTION_DESCRIPTORS_H
#define PERIGEE_BINDING_CONNECTION_DESCRIPTORS_H

#include "binding/connection.h"

enum { UNREAD_MAX = 64 * 1024 * 1024, UNREAD_LENGTH_BYTES = 4 };

/* Is the option 'unread' set? Raises for others. */
int descriptors_check_unread(lua_State *L, int table);
/* Can the connection at 1 pass descriptors? 0, or the results of failing. */
int descriptors_fail_unfit(lua_State *L, const struct connection_object *connection, const char *operation);

/* The descriptor of a listener, datagram socket, descriptor or file; -1 with errno, EBADF: it is closed. Raises for anything
 * else. */
int descriptors_number(lua_State *L, int argument);

int connection_receive_fd(lua_State *L); /* conn:receive_fd */
/* descriptor.of(connection) -> descriptor, or nil, message, code: the connection is closed, its socket is not */
int descriptor_of_connection(lua_State *L);
void receipt_open(lua_State *L); /* makes the class that receiving needs */

void descriptors_push_credentials(lua_State *L, const struct connection_object *connection);

extern const luaL_Reg connection_descriptor_methods[];

#endif
