/* What a coroutine is at, as text: like a traceback, but made without memory, so that a signal handler can. */
#ifndef PERIGEE_BINDING_STACK_TEXT_H
#define PERIGEE_BINDING_STACK_TEXT_H

#include <lua.h>
#include <stddef.h>

enum { STACK_TEXT_SIZE = 4096 };

struct stack_text {
    size_t length;
    char
        bytes[STACK_TEXT_SIZE]; /* lines "chat.lua:12: in function 'join'", each ended by a line feed; cut where full */
};

void stack_text_add(struct stack_text *text, lua_State *L);

/* Where the innermost Lua function is, of the script rather than of the library: 1, and "chat.lua" and 12; or 0. */
int stack_place(lua_State *L, char source[LUA_IDSIZE], int *line);

#endif
