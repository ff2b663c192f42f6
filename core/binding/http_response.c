/* Responses: from what a handler returned to the bytes of an answer. A string is text, a table without a class is JSON,
 * nothing is 204, a function is a stream; a response object says for itself. */
#include "binding/http_response.h"
#include "binding/json.h"
#include "binding/output.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "bytes/http_accept.h"
#include "http/status.h"

#include <string.h>
#include <strings.h>

const char HTTP_RESPONSE_CLASS[] = "perigee.http.response";

static const char TEXT[] = "Content-Type: text/plain; charset=utf-8\r\n", JSON[] = "Content-Type: application/json\r\n";

enum {
    GZIP_FROM = 1024, /* bytes; less does not pay */
    WITH_HEAD = 1024  /* bytes of a body that are copied behind its head */
};

static void out_of_memory(lua_State *L, int result) {
    if (result < 0) luaL_error(L, "not enough memory");
}

static struct http_server_object *server_of(const struct http_request *request) {
    return (struct http_server_object *)request->client->server;
}

/* Reading a response object. */

void http_response_add(lua_State *L, struct http_response *response, const char *name, const char *value) {
    struct text *fields = response->fields;
    size_t before = fields->length;
    int failed = text_append(fields, name, strlen(name)) | text_append(fields, ": ", 2);
    failed |= text_append(fields, value, strlen(value)) | text_append(fields, "\r\n", 2);
    if (failed) fields->length = before;
    out_of_memory(L, -failed);
}

static int is_ours(const char *name) {
    static const char *const names[] = {"content-length", "transfer-encoding", "connection", "date"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0) return 1;
    return 0;
}

static void note_field(struct http_response *response, const char *name) {
    response->has_type |= strcasecmp(name, "content-type") == 0;
    response->has_encoding |= strcasecmp(name, "content-encoding") == 0;
    response->has_etag |= strcasecmp(name, "etag") == 0;
    response->has_modified |= strcasecmp(name, "last-modified") == 0;
}

/* One field whose name is at -2 and whose value is on top. */
static void add_field(lua_State *L, struct http_response *response, const char *name) {
    size_t length;
    const char *value = lua_tolstring(L, -1, &length);
    if (value && http_is_field_value(value, length)) http_response_add(L, response, name, value);
    else
        luaL_error(L, "response header '%s': its value must be a string without control characters, not %s", name,
                   luaL_tolstring(L, -1, NULL));
}

static void add_fields(lua_State *L, struct http_response *response) {
    size_t length;
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "response headers: a name must be a string");
    const char *name = lua_tolstring(L, -2, &length);
    if (!http_is_token(name, length)) luaL_error(L, "response header '%s': this is no name of a header", name);
    if (is_ours(name)) luaL_error(L, "response header '%s': the server sets it", name);
    note_field(response, name);
    if (!lua_istable(L, -1)) {
        add_field(L, response, name);
        return;
    }
    lua_Integer count = luaL_len(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        add_field(L, response, name);
        lua_pop(L, 1);
    }
}

static int read_status(lua_State *L, int otherwise) {
    int exact = 1, absent = lua_getfield(L, HTTP_RESPONSE, "status") == LUA_TNIL;
    lua_Integer status = absent ? otherwise : lua_tointegerx(L, -1, &exact);
    if (!exact || status < 100 || status > 599)
        luaL_error(L, "response status must be an integer from 100 to 599, not %s", luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
    return (int)status;
}

void http_response_begin(lua_State *L, struct http_request *request, struct http_response *response) {
    *response = (struct http_response){.fields = &server_of(request)->fields, .answer.status = 200};
    response->fields->length = 0;
    if (!lua_istable(L, HTTP_RESPONSE)) return;
    response->answer.status = read_status(L, 200);
    if (lua_getfield(L, HTTP_RESPONSE, "headers") == LUA_TTABLE)
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) add_fields(L, response);
    lua_pop(L, 1);
}

/* Sending. */

int http_request_can_answer(struct http_request *request) {
    struct http_connection *client = request->client;
    if (client->io.open && !client->io.stream.error) return 1;
    client->answered = client->broken = 1; /* the peer has gone: nobody is there to be answered */
    return 0;
}

void http_response_send(lua_State *L, struct http_request *request, struct http_response *response) {
    response->answer.fields = response->fields->bytes;
    response->answer.fields_length = response->fields->length;
    if (!http_status_has_body(response->answer.status)) response->answer.framing = HTTP_FRAMING_NONE;
    out_of_memory(L, http_connection_answer(request->client, &response->answer));
}

static int sends_body(const struct http_request *request, const struct http_response *response) {
    return http_connection_sends_body(request->client) && http_status_has_body(response->answer.status);
}

/* Compression. */

static int is_compressible(const struct text *fields) {
    static const char *const types[] = {"text/",           "application/json",
                                        "application/xml", "application/javascript",
                                        "image/svg+xml\r", "application/xhtml+xml"};
    static const char name[] = "content-type: ";
    const char *at = fields->bytes, *end = fields->bytes + fields->length;
    while (at < end && strncasecmp(at, name, sizeof name - 1) != 0) at = (const char *)memchr(at, '\n', end - at) + 1;
    for (size_t i = 0; at < end && i < sizeof types / sizeof *types; i++)
        if (strncasecmp(at + sizeof name - 1, types[i], strlen(types[i])) == 0) return 1;
    return 0;
}

static int takes_gzip(const struct http_request *request) {
    size_t length;
    const char *value = http_request_field(request, "accept-encoding", &length);
    return value && http_accepts_coding(value, length, "gzip");
}

static int gzip_body(struct http_server_object *server, const char *bytes, size_t length) {
    static const int LEVEL = 5;
    if (!server->has_gzip && gzip_init(&server->compressor, LEVEL) < 0) return -1;
    if (server->has_gzip) gzip_reset(&server->compressor);
    server->has_gzip = 1;
    server->compressed.length = 0;
    return gzip_write(&server->compressor, bytes, length, GZIP_FINISH, &server->compressed);
}

/* Compresses the body when the client takes that and it pays: then it is in server->compressed. */
static int compress_body(lua_State *L, struct http_request *request, struct http_response *response, const char *bytes,
                         size_t length) {
    struct http_server_object *server = server_of(request);
    if (length < GZIP_FROM || !server->gzip || response->has_encoding || !is_compressible(response->fields)) return 0;
    http_response_add(L, response, "Vary", "Accept-Encoding");
    if (!takes_gzip(request) || gzip_body(server, bytes, length) < 0) return 0;
    if (server->compressed.length >= length) return 0;
    http_response_add(L, response, "Content-Encoding", "gzip");
    return 1;
}

/* Sends a body that is a string on the stack, or bytes that do not last (index 0). */
static int send_bytes(lua_State *L, struct http_request *request, struct http_response *response, const char *bytes,
                      size_t length, int index) {
    struct connection *io = &request->client->io;
    int body_is_sent = sends_body(request, response);
    if (compress_body(L, request, response, bytes, length)) {
        bytes = server_of(request)->compressed.bytes;
        length = server_of(request)->compressed.length;
        index = 0;
    }
    response->answer.framing = HTTP_FRAMING_LENGTH;
    response->answer.length = length;
    if (body_is_sent && length <= WITH_HEAD) response->answer.body = bytes;
    http_response_send(L, request, response);
    if (!body_is_sent || response->answer.body) return 0;
    if (index) output_string(L, io, index);
    else output_bytes(L, io, bytes, length);
    return 0;
}

static int send_string(lua_State *L, struct http_request *request, struct http_response *response, int index) {
    size_t length;
    const char *bytes = lua_tolstring(L, index, &length);
    if (!response->has_type) out_of_memory(L, text_append(response->fields, TEXT, sizeof TEXT - 1));
    return send_bytes(L, request, response, bytes, length, index);
}

static int send_json(lua_State *L, struct http_request *request, struct http_response *response, int index) {
    struct text *body = &server_of(request)->body;
    body->length = 0;
    if (json_encode(L, index, body) < 0) return luaL_error(L, "the handler's answer: %s", lua_tostring(L, -1));
    if (!response->has_type) out_of_memory(L, text_append(response->fields, JSON, sizeof JSON - 1));
    return send_bytes(L, request, response, body->bytes, body->length, 0);
}

static int send_nothing(lua_State *L, struct http_request *request, struct http_response *response) {
    int status = response->answer.status;
    if (!lua_istable(L, HTTP_RESPONSE)) response->answer.status = 204;
    response->answer.framing = status == 204 ? HTTP_FRAMING_NONE : HTTP_FRAMING_LENGTH;
    http_response_send(L, request, response);
    return 0;
}

static int is_response(lua_State *L, int index) {
    if (!lua_getmetatable(L, index)) return 0;
    luaL_getmetatable(L, HTTP_RESPONSE_CLASS);
    int same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

/* Whatever a body may be, on top of the stack. */
static int send_value(lua_State *L, struct http_request *request, struct http_response *response) {
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
    case LUA_TNUMBER: return send_string(L, request, response, lua_gettop(L));
    case LUA_TTABLE: return send_json(L, request, response, lua_gettop(L));
    case LUA_TNIL: return send_nothing(L, request, response);
    case LUA_TFUNCTION: return http_send_stream(L, request, response);
    default:
        return luaL_error(L, "the handler returned a %s: a string, table, response, function or nil is expected",
                          luaL_typename(L, -1));
    }
}

static const struct {
    const char *kind;
    int (*send)(lua_State *L, struct http_request *request, struct http_response *response);
} kinds[] = {{"file", http_send_file}, {"fanout", http_send_fanout}, {"websocket", http_send_websocket}};

static int send_response(lua_State *L, struct http_request *request, struct http_response *response) {
    int has_kind = lua_getfield(L, HTTP_RESPONSE, "kind") == LUA_TSTRING;
    if (response->answer.status < 200 && !(has_kind && strcmp(lua_tostring(L, -1), "websocket") == 0))
        return luaL_error(L, "response status %d is for what comes before an answer", response->answer.status);
    if (has_kind)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (strcmp(kinds[i].kind, lua_tostring(L, -1)) == 0) return kinds[i].send(L, request, response);
    lua_getfield(L, HTTP_RESPONSE, "body");
    return send_value(L, request, response);
}

static void begin_plain(struct http_request *request, struct http_response *response) {
    *response = (struct http_response){.fields = &server_of(request)->fields, .answer.status = 200};
    response->fields->length = 0;
}

int http_respond_simply(lua_State *L, struct http_request *request) {
    int type = lua_type(L, -1);
    struct http_response response;
    struct text *body = &server_of(request)->body;
    if (type != LUA_TSTRING && type != LUA_TTABLE) return 0;
    if (type == LUA_TTABLE && lua_getmetatable(L, -1)) return lua_pop(L, 1), 0;
    if (!http_request_can_answer(request)) return 1;
    begin_plain(request, &response);
    if (type == LUA_TSTRING) return send_string(L, request, &response, lua_gettop(L)), 1;
    body->length = 0;
    if (json_encode(L, -1, body) < 0) return lua_pop(L, 1), 0;
    out_of_memory(L, text_append(response.fields, JSON, sizeof JSON - 1));
    return send_bytes(L, request, &response, body->bytes, body->length, 0), 1;
}

int http_respond(lua_State *L) {
    struct http_request *request = lua_touserdata(L, HTTP_REQUEST);
    struct http_response response;
    lua_settop(L, HTTP_RESPONSE);
    if (!http_request_can_answer(request)) return 0;
    if (!lua_istable(L, HTTP_RESPONSE) || !is_response(L, HTTP_RESPONSE)) {
        begin_plain(request, &response);
        return send_value(L, request, &response);
    }
    http_response_begin(L, request, &response);
    return send_response(L, request, &response);
}
