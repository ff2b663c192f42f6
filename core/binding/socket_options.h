/* The options of sockets as scripts give them: a table with backlog, receive_buffer and send_buffer (bytes), keepalive
 * (seconds, or false), nodelay, reuseport, v6only, broadcast (booleans). Each class adds its own. */
#ifndef PERIGEE_BINDING_SOCKET_OPTIONS_H
#define PERIGEE_BINDING_SOCKET_OPTIONS_H

#include "system/socket.h"

#include <lua.h>

/* Raises when a value does not fit. Unknown names are the caller's to refuse. nil gives the defaults: nodelay, and
 * keepalive probes after 60 s. */
void socket_options_check(lua_State *L, int table, struct socket_options *options);

#endif
