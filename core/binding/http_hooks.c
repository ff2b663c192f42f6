#include "binding/http_hooks.h"

#include <lauxlib.h>
#include <stdlib.h>

/* The table has them as fields; what is not nil must be a function. */
static void check_function(lua_State *L, int table, const char *name) {
    int type = lua_getfield(L, table, name);
    lua_pop(L, 1);
    if (type != LUA_TNIL && type != LUA_TFUNCTION) luaL_error(L, "option '%s' must be a function", name);
}

static int reference_of(lua_State *L, int table, const char *name) {
    if (lua_getfield(L, table, name) != LUA_TNIL) return luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pop(L, 1);
    return LUA_NOREF;
}

struct http_hooks *http_hooks_new(lua_State *L, int table, struct http_hooks **list) {
    static const char *const names[] = {"on_failure", "on_refused", "on_finished"};
    int given = lua_istable(L, table);
    for (int i = 0; given && i < 3; i++) check_function(L, table, names[i]);
    struct http_hooks *hooks = malloc(sizeof *hooks);
    if (!hooks) luaL_error(L, "not enough memory");
    *hooks = (struct http_hooks){1, LUA_NOREF, LUA_NOREF, LUA_NOREF, *list, list};
    if (hooks->next) hooks->next->link = &hooks->next;
    *list = hooks; /* from here on it is freed with the server: what follows raises when there is no memory */
    if (!given) return hooks;
    hooks->on_failure = reference_of(L, table, names[0]);
    hooks->on_refused = reference_of(L, table, names[1]);
    hooks->on_finished = reference_of(L, table, names[2]);
    return hooks;
}

static void http_hooks_free(lua_State *L, struct http_hooks *hooks) {
    *hooks->link = hooks->next;
    if (hooks->next) hooks->next->link = hooks->link;
    if (L) {
        luaL_unref(L, LUA_REGISTRYINDEX, hooks->on_failure);
        luaL_unref(L, LUA_REGISTRYINDEX, hooks->on_refused);
        luaL_unref(L, LUA_REGISTRYINDEX, hooks->on_finished);
    }
    free(hooks);
}

void http_hooks_drop(lua_State *L, struct http_hooks *hooks) {
    if (--hooks->holders == 0) http_hooks_free(L, hooks);
}

void http_hooks_free_all(lua_State *L, struct http_hooks **list) {
    while (*list) http_hooks_free(L, *list);
}

int http_hooks_push(lua_State *L, int reference) {
    if (reference == LUA_NOREF) return 0;
    return lua_rawgeti(L, LUA_REGISTRYINDEX, reference) == LUA_TFUNCTION;
}
