/* What an HTTP server tells Lua of: one version of its application's functions. A request keeps those it came in by, also
 * when others take their place meanwhile.
 * Owner: counted holders, the server and its requests. */
#ifndef PERIGEE_BINDING_HTTP_HOOKS_H
#define PERIGEE_BINDING_HTTP_HOOKS_H

#include <lua.h>

struct http_hooks {
    unsigned holders;
    int on_failure;  /* registry references, LUA_NOREF: none. (request, error, traceback, begun) -> response */
    int on_refused;  /* (peer, status, what) */
    int on_finished; /* (request, status, bytes) */
    struct http_hooks *next, **link; /* among the server's */
};

/* From the options in the table at an index, or nil; held once, and in the list. Raises for what is no function. */
struct http_hooks *http_hooks_new(lua_State *L, int table, struct http_hooks **list);
static inline struct http_hooks *http_hooks_hold(struct http_hooks *hooks) {
    hooks->holders++;
    return hooks;
}
void http_hooks_drop(lua_State *L, struct http_hooks *hooks);
/* All that are left, whoever holds them: the server is gone. L NULL: its registry is gone too. */
void http_hooks_free_all(lua_State *L, struct http_hooks **list);

/* Pushes a hook: 1; or 0 when there is none. */
int http_hooks_push(lua_State *L, int reference);

#endif
