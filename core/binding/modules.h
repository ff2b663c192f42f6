/* The modules that Lua can require as core.NAME, and what bindings share with each other. */
#ifndef PERIGEE_BINDING_MODULES_H
#define PERIGEE_BINDING_MODULES_H

#include "binding/scope.h"
#include "binding/task.h"

#include <lauxlib.h>

int luaopen_core_task(lua_State *L);
int luaopen_core_address(lua_State *L);
int luaopen_core_buffer(lua_State *L);
int luaopen_core_connection(lua_State *L);
int luaopen_core_listener(lua_State *L);
int luaopen_core_datagram(lua_State *L);
int luaopen_core_descriptor(lua_State *L);
int luaopen_core_system(lua_State *L);
int luaopen_core_json(lua_State *L);
int luaopen_core_msgpack(lua_State *L);
int luaopen_core_resp(lua_State *L);
int luaopen_core_http(lua_State *L);
int luaopen_core_http_client(lua_State *L);
int luaopen_core_multipart(lua_State *L);
int luaopen_core_digest(lua_State *L);
int luaopen_core_routes(lua_State *L);
int luaopen_core_websocket(lua_State *L);
int luaopen_core_fanout(lua_State *L);
int luaopen_core_tls(lua_State *L);
int luaopen_core_serial(lua_State *L);
int luaopen_core_process(lua_State *L);
int luaopen_core_watchdog(lua_State *L);
int luaopen_core_terminal(lua_State *L);
int luaopen_core_screen(lua_State *L);
int luaopen_core_file_watch(lua_State *L);
int luaopen_core_durable(lua_State *L);

extern const luaL_Reg core_modules[]; /* all of them, ended by {NULL, NULL} */

/* Adds group and scope to the module on top of the stack, and makes their class. */
void scope_open(lua_State *L);
/* Adds waitlist to the module on top of the stack, and makes its class. */
void waitlist_open(lua_State *L);

/* Adds lookup and name_servers to the module on top of the stack. */
void lookup_open(lua_State *L);
/* Adds list and kill to the module on top of the stack. */
void task_list_open(lua_State *L);
/* Adds offload and offload_options to the module on top of the stack. */
void offload_open(lua_State *L);
void connect_open(lua_State *L); /* makes the class that connecting needs */
/* Adds what is about the process's user to the module on top of the stack. */
void system_user_open(lua_State *L);
void system_lock_open(lua_State *L); /* the same for paths and locks on files */

/* Replaces coroutine.resume and coroutine.wrap in the global table. */
void coroutine_open(lua_State *L);

/* Spawns the function at index `function`, with all that is above it as arguments, which are popped. */
struct task *scope_spawn(lua_State *L, struct scope *scope, int function);

#endif
