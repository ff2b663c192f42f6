/* WebSockets in Lua. The session lives in the userdata. */
#ifndef PERIGEE_BINDING_WEBSOCKET_H
#define PERIGEE_BINDING_WEBSOCKET_H

#include "binding/listener.h"
#include "binding/task.h"
#include "http/websocket.h"

#include <lauxlib.h>

struct websocket_object {
    struct websocket io;
    struct task *handler;             /* the task whose end closes it; NULL: none */
    struct listener_object *listener; /* told when it has ended; NULL: none */
    struct packed_endpoint peer;
};

/* A closed one, with room for what it may need; the connection is then moved into it. */
struct websocket_object *websocket_new(lua_State *L);
struct websocket_object *websocket_check(lua_State *L);           /* argument 1 */
struct websocket_object *websocket_test(lua_State *L, int index); /* NULL: something else */
/* Reads limit, ping from the options table at an index, or nil. */
void websocket_read_options(lua_State *L, int index, struct websocket_object *socket);
struct websocket_memory *websocket_memory_of(lua_State *L);

/* Why it ended; 0: it has not. */
unsigned websocket_close_code_of(const struct websocket_object *socket);

extern const luaL_Reg websocket_message_methods[];

/* A task_ended callback: closes the socket whose handler has ended. */
void websocket_on_handler_ended(struct task *task, void *context);

int websocket_connect(lua_State *L);       /* core.websocket.client */
int websocket_offer(lua_State *L);         /* core.websocket.offer */
int websocket_check_options(lua_State *L); /* core.websocket.check */

#endif
