#include "binding/interruption.h"
#include "binding/memory.h"
#include "binding/support.h"

#include <string.h>

static const char CLASS[] = "perigee.interruption";
static const char VALUE[] = "perigee.error_value", TRACEBACK[] = "perigee.error_traceback";

static const struct {
    const char *message, *code;
} interruptions[] = {
    [INTERRUPTION_NONE] = {"", ""},
    [INTERRUPTION_CANCELLED] = {"the task was cancelled", "cancelled"},
    [INTERRUPTION_DEADLINE] = {"the deadline has passed", "timeout"},
    [INTERRUPTION_GROUP] = {"another task of the group has failed", "cancelled"},
};

int interruption_raise(lua_State *L, enum interruption kind) {
    enum interruption *object = support_new(L, CLASS, sizeof *object, 0);
    *object = kind;
    return lua_error(L);
}

enum interruption interruption_test(lua_State *L, int index) {
    enum interruption *object = luaL_testudata(L, index, CLASS);
    return object ? *object : INTERRUPTION_NONE;
}

static int interruption_index(lua_State *L) {
    enum interruption kind = interruption_test(L, 1);
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "message") == 0) lua_pushstring(L, interruptions[kind].message);
    else if (strcmp(name, "code") == 0) lua_pushstring(L, interruptions[kind].code);
    else lua_pushnil(L);
    return 1;
}

static int interruption_tostring(lua_State *L) {
    lua_pushstring(L, interruptions[interruption_test(L, 1)].message);
    return 1;
}

void interruption_open(lua_State *L) {
    static const luaL_Reg metamethods[] = {
        {"__index", interruption_index}, {"__tostring", interruption_tostring}, {NULL, NULL}};
    support_class(L, CLASS, NULL, metamethods);
}

/* Whether the value on top of the stack is the one whose traceback is remembered. */
static int interruption_is_remembered(lua_State *L) {
    lua_getfield(L, LUA_REGISTRYINDEX, VALUE);
    int same = !lua_isnil(L, -1) && lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
    return same;
}

void interruption_remember(lua_State *L) {
    lua_setfield(L, LUA_REGISTRYINDEX, TRACEBACK);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, VALUE);
}

int interruption_message_handler(lua_State *L) {
    if (interruption_test(L, -1) || interruption_is_remembered(L)) return 1;
    luaL_traceback(L, L, NULL, 1);
    interruption_remember(L);
    return 1;
}

void interruption_push_traceback(lua_State *L, lua_State *coroutine) {
    int is_remembered = interruption_is_remembered(L);
    memory_explain(L);
    if (is_remembered) lua_getfield(L, LUA_REGISTRYINDEX, TRACEBACK);
    else luaL_traceback(L, coroutine, NULL, 0);
    lua_pushnil(L); /* told once: the same text may be another error next time */
    lua_setfield(L, LUA_REGISTRYINDEX, VALUE);
}
