/* TLS contexts in Lua. The object keeps its options, so that its files can be loaded anew; sessions keep the context they
 * were made with. Owner: Lua. */
#ifndef PERIGEE_BINDING_TLS_H
#define PERIGEE_BINDING_TLS_H

#include "io/tls_context.h"

#include <lua.h>

struct tls_object {
    struct tls_context *context; /* NULL: it could not be made */
    struct tls_context *making;  /* until it has succeeded */
    struct runtime *runtime;
    int is_server;
    int choose; /* reference of on_server_name in the registry, LUA_NOREF: none */
};

/* Makes the context of the options at 1; the object is at 2. 0, or -1 with what went wrong: then it is as it was. Raises
 * for options that cannot be. */
int tls_object_make(lua_State *L, struct tls_object *object, struct tls_failure *failure);
void tls_object_forget(struct tls_object *object); /* what was being made */

struct tls_tickets *tls_tickets_of(lua_State *L); /* the runtime's */

struct connection;
void tls_push_session(lua_State *L, const struct connection *connection); /* a table, or nil when it is plain */

struct tls_object *tls_check(lua_State *L, int argument);
/* The server's context at an index; raises "WHAT must be ..." when it is something else. */
struct tls_object *tls_check_server(lua_State *L, int index, const char *what);

#endif
