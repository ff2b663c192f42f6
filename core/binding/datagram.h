/* Datagram sockets in Lua. Files: datagram.c (class, receiving and sending), datagram_serve.c (a handler for each). */
#ifndef PERIGEE_BINDING_DATAGRAM_H
#define PERIGEE_BINDING_DATAGRAM_H

#include "binding/activity.h"
#include "binding/runtime.h"
#include "io/datagram.h"

struct datagram_object {
    struct datagram io;
    struct waiter waiter; /* of a server: datagrams have come */
    struct runtime *runtime;
    struct scope *scope;
    int handler, anchor; /* references in the registry; LUA_NOREF: no server */
    unsigned active, max_tasks;
    struct activity activity;
    float timeout;
    unsigned connected : 1;
    unsigned delivering : 1; /* datagrams are being handed to handlers */
    unsigned draining : 1;   /* it receives nothing any more, and is closed when its handlers have ended */
    const char *arrived;     /* the datagram that a task is made for */
    size_t arrived_length;
    const struct endpoint *arrived_peer;
    struct task *arrived_task;
};

struct datagram_object *datagram_check(lua_State *L); /* argument 1 */
/* The option max_tasks in the table at an index. */
unsigned datagram_check_max_tasks(lua_State *L, int table);
/* Pushes a socket that takes *fd, a UDP socket; *fd is -1 then. */
void datagram_push(lua_State *L, int *fd);
int datagram_serve(lua_State *L);   /* socket:serve */
int datagram_replace(lua_State *L); /* socket:replace */
int datagram_drain(lua_State *L);   /* socket:drain */
int datagram_await(lua_State *L);   /* socket:await */
/* Once it is closed and its last handler has ended, nothing refers to the userdata any more. */
void datagram_let_go(struct datagram_object *object);

#endif
