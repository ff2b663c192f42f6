/* Answers that a fan-out goes on with: events or parts, for as many viewers as there are. No task is left for them. The
 * response object has `fanout` and `form`: "event" or "part"; of parts, `type`. */
#include "binding/fanout.h"
#include "binding/http_response.h"
#include "binding/output.h"
#include "binding/task.h"
#include "bytes/event_stream.h"

#include <string.h>

static void set_part_type(lua_State *L, struct fanout_object *fanout) {
    lua_getfield(L, HTTP_RESPONSE, "type");
    const char *type = luaL_optstring(L, -1, "image/jpeg");
    if (strlen(type) >= sizeof fanout->type || !http_is_field_value(type, strlen(type)))
        luaL_error(L, "type '%s' is none of a part", type);
    if (fanout->type[0] && strcmp(fanout->type, type) != 0)
        luaL_error(L, "type '%s': this fan-out's parts are %s already", type, fanout->type);
    strcpy(fanout->type, type);
    lua_pop(L, 1);
}

/* The boundary before the first part. */
static void start_parts(lua_State *L, struct http_connection *client) {
    struct text text = {0};
    int failed = part_append_start(&text);
    if (!failed && client->chunked) {
        char line[HTTP_CHUNK_LINE_MAX];
        failed = connection_write_copy(&client->io, line, http_chunk_write_size(line, text.length)) |
                 text_append(&text, "\r\n", 2);
    }
    if (!failed) failed = connection_write_copy(&client->io, text.bytes, text.length);
    text_destroy(&text);
    if (failed) luaL_error(L, "not enough memory");
}

int http_send_fanout(lua_State *L, struct http_request *request, struct http_response *response) {
    struct http_connection *client = request->client;
    lua_getfield(L, HTTP_RESPONSE, "fanout");
    struct fanout_object *fanout = fanout_check(L, -1);
    lua_getfield(L, HTTP_RESPONSE, "form");
    int parts = strcmp(luaL_optstring(L, -1, "event"), "part") == 0;
    if (parts) set_part_type(L, fanout);
    response->answer.framing = HTTP_FRAMING_STREAM;
    http_response_send(L, request, response);
    if (!http_connection_sends_body(client)) return 0;
    if (parts) start_parts(L, client);
    int form = (parts ? FORM_PART : FORM_EVENT) + (client->chunked ? 1 : 0); /* the chunked one follows */
    if (fanout_join(&fanout->io, &client->io, (uint8_t)form, 1) < 0) return luaL_error(L, "not enough memory");
    task_of(L)->ended = NULL; /* the client may end before the last of the task's children */
    http_connection_watch(client, !parts);
    http_connection_stream(client);
    return 0;
}
