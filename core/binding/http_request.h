/* Requests in Lua: a userdata with its own copy of the head, whose strings and tables are made when they are asked for.
 * It can be kept after the answer, but then its body and its connection are gone.
 * Owner: Lua. Invariant: `client` is NULL once the request is done with; until then client->exchange is the request. */
#ifndef PERIGEE_BINDING_HTTP_REQUEST_H
#define PERIGEE_BINDING_HTTP_REQUEST_H

#include "binding/http_hooks.h"
#include "binding/listener.h"
#include "binding/task.h"
#include "bytes/span.h"
#include "http/http_connection.h"

#include <lauxlib.h>

struct http_request {
    struct http_connection *client;
    struct task *task;        /* that handles it */
    struct http_hooks *hooks; /* that it came in by, held while there is a client */
    struct packed_endpoint peer;
    double began;          /* on the loop's clock */
    uint64_t id;           /* 0: none yet */
    uint8_t taken : 1;     /* its body has been read in pieces */
    struct http_head head; /* last: only as many fields as there are, and then the head's bytes */
};

/* User values: the tables made for it and what the script keeps on it; the parameters of its route. */
enum { REQUEST_OWN = 1, REQUEST_PARAMS, REQUEST_VALUES = REQUEST_PARAMS };

static inline const char *http_request_bytes(const struct http_request *request) {
    return (const char *)&request->head.fields[request->head.count];
}

/* Pushes the request that has come. */
struct http_request *http_request_new(lua_State *L, struct http_connection *client, const struct http_head *head,
                                      const char *bytes);
struct http_request *http_request_check(lua_State *L, int argument);
struct http_request *http_request_test(lua_State *L, int index); /* NULL: something else */
/* Done with: what is kept of it in Lua cannot reach the connection any more. */
void http_request_detach(lua_State *L, struct http_request *request);
void http_request_push_peer(lua_State *L, const struct http_request *request);

/* The value of a field, or NULL; of several, the first. */
const char *http_request_field(const struct http_request *request, const char *name, size_t *length);

/* What is made once for the request at 1: keeps the value on top of the stack by a name, and returns 1; gets it, or
 * pushes nothing and returns 0 (with only the request on the stack). */
int http_request_keep(lua_State *L, const char *name);
int http_request_get_kept(lua_State *L, const char *name);

/* Push a new table. */
void http_request_push_headers(lua_State *L, const struct http_request *request);
void http_request_push_query(lua_State *L, const struct http_request *request);
void http_request_push_cookies(lua_State *L, const struct http_request *request);
int http_request_query_values(lua_State *L); /* a method */
/* Pushes the text without its percent-encoding; of a form a '+' is a space. */
void http_push_decoded(lua_State *L, struct span text, int is_form);

void http_request_open(lua_State *L); /* makes the class, and pushes its table of methods */

extern const luaL_Reg http_request_body_methods[];

#endif
