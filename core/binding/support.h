/* What every binding needs: classes, guards for arguments, and the one shape of failure.
 * Expected failure returns nil, message, code; misuse raises with the argument's name. The message names the
 * operation and the peer, the code is a short stable word: timeout closed refused reset limit unreachable tls
 * protocol cancelled exists denied. */
#ifndef PERIGEE_BINDING_SUPPORT_H
#define PERIGEE_BINDING_SUPPORT_H

#include <lauxlib.h>
#include <lua.h>

/* Makes the class `name`: its metatable with `metamethods`, and `methods` in __index (unless __index is among the
 * metamethods, which then gets the methods table as its upvalue). Leaves nothing on the stack. */
void support_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *metamethods);

/* A zeroed userdata of a class, on the stack. */
void *support_new(lua_State *L, const char *class_name, size_t size, int user_values);

/* Keeps the function at 1, to be called back, in the registry by this name. Returns 0, as what calls it last should. */
int support_keep_callback(lua_State *L, const char *name);

/* __index with the methods table as upvalue 1: pushes the method and returns 1, or pushes nothing and returns 0. */
int support_index_method(lua_State *L);

/* nil, message, code. The message is made like lua_pushfstring. */
int support_fail(lua_State *L, const char *code, const char *format, ...);
/* The same with the code and the text of an errno value: "OPERATION SUBJECT: text". */
int support_fail_errno(lua_State *L, int error, const char *operation, const char *subject);
const char *support_code(int error); /* the code of an errno value */

/* Options tables: the value of a field, or the default when it is nil. They raise "option 'name' ...". */
lua_Integer support_option_integer(lua_State *L, int table, const char *name, lua_Integer low, lua_Integer high,
                                   lua_Integer otherwise);
lua_Number support_option_seconds(lua_State *L, int table, const char *name, lua_Number otherwise);
int support_option_boolean(lua_State *L, int table, const char *name, int otherwise);

/* Raises when the table at `table` has a field that is not in the NULL-terminated list. nil is accepted. */
void support_check_options(lua_State *L, int table, const char *const *names);

/* Seconds from an argument: a number >= 0, or nil for `otherwise`; math.huge is for ever. */
lua_Number support_check_seconds(lua_State *L, int argument, lua_Number otherwise);

/* Raises unless the argument is a function, or has __call. */
void support_check_callable(lua_State *L, int argument);

/* A count of bytes from an argument: an integer from `low`, or nil for `otherwise`. */
size_t support_check_size(lua_State *L, int argument, size_t low, size_t otherwise);

#endif
