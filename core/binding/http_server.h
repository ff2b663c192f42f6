/* HTTP servers in Lua: what stands behind a listener of core.http. */
#ifndef PERIGEE_BINDING_HTTP_SERVER_H
#define PERIGEE_BINDING_HTTP_SERVER_H

#include "binding/http_request.h"
#include "bytes/gzip.h"

struct http_server_object {
    struct http_server io;
    struct http_hooks *hooks;     /* for the requests that come now */
    struct http_hooks *all_hooks; /* those, and those that requests still hold */
    int gzip;                     /* bodies are compressed for clients that take it */
    int has_gzip;                 /* the compressor is there */
    struct gzip compressor;
    struct text fields, body, compressed; /* of the answer that is being made */
};

struct listener_object *http_listener_of(const struct http_connection *client);

/* The request at 1 is done with: tells the access log. Returns 0, as what calls it last should. */
int http_request_part(lua_State *L, struct http_request *request);

/* Options, from the table at an index or nil. They raise for what cannot be. */
void http_options_check(lua_State *L, int table); /* are there only known ones? */
void http_options_read(lua_State *L, int table, struct http_server_object *server);

int http_listen(lua_State *L); /* core.http.listen */
int http_probe(lua_State *L);  /* core.http.probe */

#endif
