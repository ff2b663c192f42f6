/* Reading a request's body: asking for it, taking its framing off, its limits. */
#include "http/http_connection.h"

static const double BODY_BYTES_A_SECOND = 1000;

double http_connection_body_deadline(const struct http_connection *client) {
    return client->body_began + (double)client->server->body_timeout + (double)client->received / BODY_BYTES_A_SECOND;
}

static void http_continue(struct http_connection *client) {
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!client->body_began) client->body_began = client->server->loop->now;
    if (!client->expects || client->answered || connection_pending(&client->io)) return;
    client->expects = 0;
    connection_write_copy(&client->io, text, sizeof text - 1);
}

static enum http_body_status http_fill_body(struct http_connection *client, struct http_problem *problem) {
    enum io_status status = client->io.open ? connection_fill(&client->io) : IO_BROKEN;
    if (status == IO_WAIT) return HTTP_BODY_MORE;
    if (status == IO_DONE) return HTTP_BODY_DATA;
    *problem = (struct http_problem){0, "the peer ended before the end of the body"};
    return HTTP_BODY_BAD;
}

static enum http_body_status http_next_of_body(struct http_connection *client, const char **bytes, size_t *count,
                                               struct http_problem *problem) {
    size_t used = 0, pending = connection_pending(&client->io);
    const char *input = pending ? (const char *)buffer_data(client->io.input) : "";
    enum http_body_status status = http_body_next(&client->body, input, pending, &used, count, problem);
    if (status != HTTP_BODY_DATA) {
        connection_consume(&client->io, used);
        return status;
    }
    *bytes = input + used - *count;
    client->handed = (uint32_t)used;
    client->received += *count;
    return status;
}

enum http_body_status http_connection_read_body(struct http_connection *client, const char **bytes, size_t *count,
                                                struct http_problem *problem) {
    connection_consume(&client->io, client->handed);
    client->handed = 0;
    if (http_body_is_complete(&client->body)) return HTTP_BODY_END;
    http_continue(client);
    for (;;) {
        enum http_body_status status = http_next_of_body(client, bytes, count, problem);
        if (status == HTTP_BODY_DATA && client->received > client->body_limit && client->phase == HTTP_HANDLING) {
            *problem = (struct http_problem){413, "the body is longer than the limit"};
            return HTTP_BODY_BAD;
        }
        if (status != HTTP_BODY_MORE) return status;
        status = http_fill_body(client, problem);
        if (status != HTTP_BODY_DATA) return status;
    }
}
