/* Answering a request from Lua: see http_response.c for what may be returned. */
#ifndef PERIGEE_BINDING_HTTP_RESPONSE_H
#define PERIGEE_BINDING_HTTP_RESPONSE_H

#include "binding/http_server.h"

enum { HTTP_REQUEST = 1, HTTP_RESPONSE = 2 }; /* where they are on the stack */

extern const char HTTP_RESPONSE_CLASS[];

/* What is being answered. */
struct http_response {
    struct http_answer answer;
    struct text *fields; /* the server's memory: no other answer is made meanwhile */
    unsigned has_type : 1;
    unsigned has_encoding : 1;
    unsigned has_etag : 1;
    unsigned has_modified : 1;
};

/* Answers the request at 1 with the value at 2; may wait. Returns what the caller should return. */
int http_respond(lua_State *L);
/* The same for a string or a plain table on top of the stack, which can neither wait nor, but for lack of memory, raise:
 * 1; or 0 with nothing done. */
int http_respond_simply(lua_State *L, struct http_request *request);

/* Reads status and headers of the response object at 2, when it is one. Raises for what cannot be sent. */
void http_response_begin(lua_State *L, struct http_request *request, struct http_response *response);
void http_response_add(lua_State *L, struct http_response *response, const char *name, const char *value);
void http_response_send(lua_State *L, struct http_request *request, struct http_response *response); /* the head */
/* Is the peer still there? When not, the request counts as answered. */
int http_request_can_answer(struct http_request *request);

/* The kinds of answers, for the response at 2. */
int http_send_stream(lua_State *L, struct http_request *request, struct http_response *response); /* function on top */
int http_send_file(lua_State *L, struct http_request *request, struct http_response *response);
int http_send_fanout(lua_State *L, struct http_request *request, struct http_response *response);
int http_send_websocket(lua_State *L, struct http_request *request, struct http_response *response);

#endif
