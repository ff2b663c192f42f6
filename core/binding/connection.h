/* Connections in Lua. The io connection lives in the userdata; files: connection.c (class and life),
 * connection_read.c, connection_lines.c, connection_write.c, connection_pipe.c, connect.c, listener.c (accepting).
 * Every operation that fails returns nil, message, code and keeps the last failure for conn.error. */
#ifndef PERIGEE_BINDING_CONNECTION_H
#define PERIGEE_BINDING_CONNECTION_H

#include "binding/task.h"
#include "io/connection.h"
#include "system/address.h"

#include <lauxlib.h>

struct runtime;
struct listener_object;

/* Why the last operation failed; an errno value where the system gave one, or one of io/tls_failure.h. */
enum {
    FAILURE_CLOSED = -1,    /* the peer has ended its side */
    FAILURE_OURS = -2,      /* we have closed it, or ended our side */
    FAILURE_LIMIT = -3,     /* more bytes than the caller allows */
    FAILURE_TIMEOUT = -4,   /* no progress, or no result, in time */
    FAILURE_HANDSHAKE = -5, /* another task is starting TLS */
    FAILURE_RETIRED = -6    /* nothing has come, and no more is awaited */
};

struct connection_object {
    struct connection io;
    struct task *handler;             /* the task whose end closes the connection; NULL: none */
    struct listener_object *listener; /* told when the handler has ended; NULL: none */
    int16_t failure;                  /* of the last operation that failed; 0: none yet */
    uint8_t scheme;
    struct packed_endpoint peer; /* kept for messages after the end; a Unix peer is asked for while it is there */
};

/* A new one is closed: memory comes first, so that nothing can fail once a descriptor is there. */
struct connection_object *connection_new(lua_State *L);
/* Opens a new one by taking fd. `peer` may be NULL. */
void connection_adopt(struct connection_object *connection, struct runtime *runtime, int fd, enum scheme scheme,
                      const struct endpoint *peer);
void connection_adopt_stream(struct connection_object *connection, struct runtime *runtime, struct stream stream,
                             enum scheme scheme, const struct endpoint *peer);
struct connection_object *connection_check(lua_State *L, int argument);
struct connection_object *connection_test(lua_State *L, int index); /* NULL: something else */

/* Fails with the message for `failure`: "read from tcp://127.0.0.1:5000: closed by the peer". */
int connection_fail(lua_State *L, struct connection_object *connection, const char *operation, int failure);
/* The same for bytes that are no message of the format that is read: "read from tcp://127.0.0.1:5000: WHY". */
int connection_fail_protocol(lua_State *L, struct connection_object *connection, const char *why);

/* A task_ended callback: closes the connection whose handler has ended. */
void connection_on_handler_ended(struct task *task, void *context);

extern const luaL_Reg connection_read_methods[], connection_line_methods[], connection_write_methods[],
    connection_pipe_methods[], connection_tls_methods[];

int connection_connect(lua_State *L); /* core.connection.connect */
int connection_listen(lua_State *L);  /* core.listener.listen */
int connection_probe(lua_State *L);   /* core.listener.probe */

#endif
