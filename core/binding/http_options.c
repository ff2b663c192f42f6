/* The options of an HTTP server: limits, time limits, hooks. */
#include "binding/http_server.h"
#include "binding/support.h"

static const char *const option_names[] = {LISTENER_OPTIONS,
                                           "request_line_limit",
                                           "header_limit",
                                           "header_count",
                                           "body_limit",
                                           "header_timeout",
                                           "body_timeout",
                                           "idle_timeout",
                                           "gzip",
                                           "on_failure",
                                           "on_refused",
                                           "on_finished",
                                           NULL};

void http_options_check(lua_State *L, int table) {
    support_check_options(L, table, option_names);
}

static void read_limits(lua_State *L, int table, struct http_server *server) {
    struct http_limits *limits = &server->limits;
    limits->line = (uint16_t)support_option_integer(L, table, "request_line_limit", 16, 65000, limits->line);
    limits->head = (uint16_t)support_option_integer(L, table, "header_limit", 64, 65000, limits->head);
    limits->fields = (uint16_t)support_option_integer(L, table, "header_count", 1, HTTP_FIELDS_MAX, limits->fields);
    server->body_limit =
        (uint64_t)support_option_integer(L, table, "body_limit", 0, LUA_MAXINTEGER, (lua_Integer)server->body_limit);
}

void http_options_read(lua_State *L, int table, struct http_server_object *object) {
    struct http_server *server = &object->io;
    read_limits(L, table, server);
    server->head_timeout = (float)support_option_seconds(L, table, "header_timeout", (double)server->head_timeout);
    server->body_timeout = (float)support_option_seconds(L, table, "body_timeout", (double)server->body_timeout);
    server->idle_timeout = (float)support_option_seconds(L, table, "idle_timeout", (double)server->idle_timeout);
    object->gzip = support_option_boolean(L, table, "gzip", 1);
}
