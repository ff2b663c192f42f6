/* Addresses in Lua: an endpoint with its scheme, as conn.peer, listener.address and a datagram's sender are.
 * Fields: scheme, host, port. tostring and .. give the URL. */
#ifndef PERIGEE_BINDING_ADDRESS_H
#define PERIGEE_BINDING_ADDRESS_H

#include "system/address.h"

#include <lua.h>

struct address_object {
    enum scheme scheme;
    struct endpoint endpoint;
};

void address_push(lua_State *L, enum scheme scheme, const struct endpoint *endpoint);
struct address_object *address_test(lua_State *L, int index); /* NULL: some other value */

/* Parses the URL at an argument; raises "address 'x': why" when it is none. An address object is taken as well. */
void address_check(lua_State *L, int argument, struct address *address);

#endif
