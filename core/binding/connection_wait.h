/* What the operations of a connection share: waiting for input and for room, and what a failure is called. */
#ifndef PERIGEE_BINDING_CONNECTION_WAIT_H
#define PERIGEE_BINDING_CONNECTION_WAIT_H

#include "binding/connection.h"

/* When conn.timeout from now has passed, on the loop's clock. */
double connection_time_limit(lua_State *L, const struct connection_object *connection);

/* Park the running task until a read is worth trying, which fails at once on a connection that is retiring and from
 * which nothing has come; until at most `level` bytes are queued; or until `until`. They
 * raise when another task waits for the same already. */
int connection_park_reader(lua_State *L, struct connection_object *connection, double until, lua_KContext context,
                           lua_KFunction step);
int connection_park_writer(lua_State *L, struct connection_object *connection, size_t level, double until,
                           lua_KContext context, lua_KFunction step);

/* The same until the kernel has room. */
int connection_park_for_room(lua_State *L, struct connection_object *connection, double until, lua_KContext context,
                             lua_KFunction step);

/* connection_fill, for a connection that may be closed: then BROKEN. */
enum io_status connection_try_fill(struct connection_object *connection);
/* Why a read cannot go on, after END or BROKEN. */
int connection_failure(const struct connection_object *connection, enum io_status status);
int connection_fail_read(lua_State *L, struct connection_object *connection, int failure);
/* Why nothing can be written, or 0. */
int connection_obstacle(const struct connection_object *connection);

/* Pushes `count` pending bytes and drops them and `more` after them. */
int connection_take(lua_State *L, struct connection_object *connection, size_t count, size_t more);
/* Pushes an iterator and the connection at 1: a plain function when argument 2 is absent, so that an idle connection
 * keeps no closure; otherwise `limited` with the limit, in bytes, as its upvalue. */
int connection_push_iterator(lua_State *L, lua_CFunction plain, lua_CFunction limited);

#endif
