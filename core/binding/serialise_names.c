#include "binding/serialise_names.h"

#include <lauxlib.h>
#include <string.h>

static const char NAMES[] = "perigee.serial.names"; /* in the registry: values, held weakly, to their names */

static void push_name(lua_State *L, const char *module, const char *field) {
    luaL_Buffer name;
    luaL_buffinit(L, &name);
    luaL_addlstring(&name, module, strlen(module) + 1);
    luaL_addstring(&name, field);
    luaL_pushresult(&name);
}

/* Whether `name` says it better than what is known: what scripts can require before the runtime's own. */
static int is_better(lua_State *L, int names, int value, const char *module) {
    lua_pushvalue(L, value);
    const char *known = lua_rawget(L, names) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    int better = !known || (strncmp(known, "core.", 5) == 0 && strncmp(module, "core.", 5) != 0);
    lua_pop(L, 1);
    return better;
}

static void add_name(lua_State *L, int names, int value, const char *module, const char *field) {
    if (!is_better(L, names, value, module)) return;
    lua_pushvalue(L, value);
    push_name(L, module, field);
    lua_rawset(L, names);
}

static int is_text(lua_State *L, int index) {
    size_t length;
    if (lua_type(L, index) != LUA_TSTRING) return 0;
    const char *text = lua_tolstring(L, index, &length);
    return strlen(text) == length;
}

/* The module on top of the stack. */
static void add_functions(lua_State *L, int names, const char *module) {
    int table = lua_gettop(L);
    if (!lua_istable(L, table)) return;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (lua_isfunction(L, -1) && is_text(L, -2)) add_name(L, names, table + 2, module, lua_tostring(L, -2));
        lua_pop(L, 1);
    }
}

static void add_modules(lua_State *L, int loaded, int names) {
    lua_pushnil(L);
    while (lua_next(L, loaded)) {
        if (is_text(L, -2) && (lua_istable(L, -1) || lua_isfunction(L, -1))) {
            const char *module = lua_tostring(L, -2);
            add_name(L, names, lua_gettop(L), module, "");
            add_functions(L, names, module);
        }
        lua_pop(L, 1);
    }
}

static lua_Integer count_fields(lua_State *L, int table) {
    lua_Integer count = 0;
    lua_pushnil(L);
    for (; lua_next(L, table); lua_pop(L, 1)) count++;
    return count;
}

static void push_weak_table(lua_State *L) {
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
}

/* Those of the last time, unless a module was loaded since. */
void names_push(lua_State *L) {
    luaL_checkstack(L, 12, "names");
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    int loaded = lua_gettop(L);
    lua_Integer count = count_fields(L, loaded);
    if (lua_getfield(L, LUA_REGISTRYINDEX, NAMES) == LUA_TTABLE && lua_rawgeti(L, -1, 1) == LUA_TNUMBER) {
        int is_same = lua_tointeger(L, -1) == count;
        lua_pop(L, 1);
        if (is_same) return lua_remove(L, loaded);
    }
    lua_settop(L, loaded);
    push_weak_table(L);
    add_modules(L, loaded, loaded + 1);
    lua_pushinteger(L, count);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, NAMES);
    lua_remove(L, loaded);
}

void names_add_globals(lua_State *L, int globals, int names) {
    static const char *const own[] = {"load", "loadfile", "dofile", "require"}; /* see perigee.service.environment */
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        lua_pushstring(L, own[i]);
        if (lua_rawget(L, globals) == LUA_TFUNCTION) {
            push_name(L, "_G", own[i]);
            lua_rawset(L, names);
        } else {
            lua_pop(L, 1);
        }
    }
}
