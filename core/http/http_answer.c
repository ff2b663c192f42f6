/* Answers: the head of a response, and the short ones that refuse. */
#include "bytes/http_date.h"
#include "http/http_connection.h"
#include "http/status.h"

#include <string.h>

static int put(struct text *text, const char *string) {
    return text_append(text, string, strlen(string));
}

static char *digits_of(char digits[24], uint64_t number) {
    char *first = digits + 23;
    *first = 0;
    do *--first = (char)('0' + number % 10);
    while (number /= 10);
    return first;
}

static int put_number(struct text *text, uint64_t number) {
    char digits[24];
    return put(text, digits_of(digits, number));
}

/* The date, and the beginning of the usual answer with it, are made once a second. */
static void update_date(struct http_server *server) {
    static const char usual[] = "HTTP/1.1 200 OK\r\nDate: ";
    int64_t second = loop_seconds(server->loop);
    if (second == server->second) return;
    memcpy(server->start, usual, sizeof usual - 1);
    server->date = server->start + sizeof usual - 1 - strlen("Date: ");
    http_date_write(server->start + sizeof usual - 1, second);
    strcat(server->start, "\r\n");
    server->second = second;
}

static int put_start(struct text *text, struct http_server *server, int status) {
    update_date(server);
    if (status == 200) return put(text, server->start);
    int failed = put(text, "HTTP/1.1 ") | put_number(text, (uint64_t)status) | put(text, " ");
    return failed | put(text, http_status_phrase(status)) | put(text, "\r\n") | put(text, server->date);
}

static int put_framing(struct text *text, const struct http_connection *client, const struct http_answer *answer) {
    if (answer->framing == HTTP_FRAMING_LENGTH)
        return put(text, "Content-Length: ") | put_number(text, answer->length) | put(text, "\r\n");
    return client->chunked ? put(text, "Transfer-Encoding: chunked\r\n") : 0;
}

static int put_persistence(struct text *text, const struct http_connection *client, int status) {
    if (status == 101) return 0;
    if (!client->keep_alive) return put(text, "Connection: close\r\n");
    return client->minor ? 0 : put(text, "Connection: keep-alive\r\n");
}

/* The connection cannot stay when the peer is still sending a long body, or when only its end tells the answer's. */
static void http_settle(struct http_connection *client, const struct http_answer *answer) {
    int is_stream = answer->framing == HTTP_FRAMING_STREAM;
    int body_left = !http_body_is_complete(&client->body);
    if (answer->framing == HTTP_FRAMING_NONE) client->head_only = 1;
    client->chunked = is_stream && client->minor && !client->head_only;
    if (client->server->closing || client->server->draining || (is_stream && !client->minor)) client->keep_alive = 0;
    if (body_left && (client->long_body || client->expects)) client->keep_alive = 0;
    client->answered = 1;
    client->status = (uint16_t)answer->status;
    client->sent = client->head_only || is_stream ? 0 : answer->length;
}

int http_connection_answer(struct http_connection *client, const struct http_answer *answer) {
    struct text *text = &client->server->scratch;
    http_settle(client, answer);
    text->length = 0;
    int failed = put_start(text, client->server, answer->status);
    failed |= text_append(text, answer->fields, answer->fields_length) | put_framing(text, client, answer);
    failed |= put_persistence(text, client, answer->status) | put(text, "\r\n");
    if (answer->body && !client->head_only) failed |= text_append(text, answer->body, answer->length);
    return failed ? -1 : connection_write_copy(&client->io, text->bytes, text->length);
}

void http_connection_refuse(struct http_connection *client, const struct http_problem *problem) {
    static const char fields[] = "Content-Type: text/plain; charset=utf-8\r\n";
    const char *phrase = http_status_phrase(problem->status);
    struct http_answer answer = {.status = problem->status,
                                 .fields = fields,
                                 .fields_length = sizeof fields - 1,
                                 .framing = HTTP_FRAMING_LENGTH,
                                 .length = strlen(phrase) + strlen(problem->what) + 3};
    client->keep_alive = 0;
    if (client->server->refused) client->server->refused(client, problem);
    if (client->io.open && !client->io.stream.error && http_connection_answer(client, &answer) == 0) {
        struct text *text = &client->server->scratch;
        text->length = 0;
        if (!(put(text, phrase) | put(text, ": ") | put(text, problem->what) | put(text, "\n")))
            connection_write_copy(&client->io, text->bytes, text->length);
    }
    http_connection_end(client, connection_close);
}
