#include "response.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char CONTENT_LENGTH[] = "Content-Length:", TRANSFER_ENCODING[] = "Transfer-Encoding:";

static bool begins_with(const char *line, const char *name) {
    return strncasecmp(line, name, strlen(name)) == 0;
}

static enum response_state state_of_body(const struct response *response) {
    if (response->chunked) return RESPONSE_CHUNK;
    return response->left > 0 ? RESPONSE_BODY : RESPONSE_DONE;
}

/* `head` ends with an empty line. */
static void response_parse_head(struct response *response, const char *head, size_t size) {
    response->state = RESPONSE_BAD;
    if (size < 17 || memcmp(head, "HTTP/1.1 ", 9) != 0) return;
    response->status = atoi(head + 9);
    response->chunked = false;
    response->left = 0;
    const char *end = head + size;
    for (const char *line = head; (line = memchr(line, '\n', (size_t)(end - line))) && ++line < end - 2;) {
        if (begins_with(line, CONTENT_LENGTH)) response->left = strtoull(line + sizeof CONTENT_LENGTH - 1, NULL, 10);
        if (begins_with(line, TRANSFER_ENCODING)) response->chunked = true;
    }
    response->body = response->left;
    response->state = state_of_body(response);
}

/* A chunk's size line, its line end with it. The last chunk is followed by the trailer. */
static void response_parse_chunk(struct response *response, const char *line) {
    char *end = NULL;
    response->left = strtoull(line, &end, 16);
    response->state = end == line ? RESPONSE_BAD : response->left > 0 ? RESPONSE_BODY : RESPONSE_TRAILER;
    response->body += response->left;
    response->left += 2;
}

/* What ends with `mark` is returned in `whole` once it is there, in the data itself where that has all of it. */
static size_t response_collect(struct response *response, const char *mark, const char *data, size_t size,
                               const char **whole, size_t *length) {
    size_t span = strlen(mark);
    const char *found = response->held ? NULL : memmem(data, size, mark, span);
    *whole = data;
    if (found) return *length = (size_t)(found - data) + span;
    *whole = NULL;
    size_t taken = 0;
    while (taken < size && response->held < sizeof response->text - 1) {
        response->text[response->held++] = data[taken++];
        if (response->held < span || memcmp(response->text + response->held - span, mark, span) != 0) continue;
        *whole = response->text;
        *length = response->held;
        response->text[response->held] = '\0';
        response->held = 0;
        return taken;
    }
    if (taken < size) response->state = RESPONSE_BAD;
    return taken;
}

static size_t response_skip(struct response *response, size_t size) {
    size_t taken = size < response->left ? size : (size_t)response->left;
    response->left -= taken;
    if (response->left == 0) response->state = response->chunked ? RESPONSE_CHUNK : RESPONSE_DONE;
    return taken;
}

static size_t response_step(struct response *response, const char *data, size_t size) {
    const char *text;
    size_t length;
    if (response->state == RESPONSE_BODY) return response_skip(response, size);
    bool is_head = response->state == RESPONSE_HEAD;
    size_t taken = response_collect(response, is_head ? "\r\n\r\n" : "\r\n", data, size, &text, &length);
    if (!text) return taken;
    if (is_head) response_parse_head(response, text, length);
    else if (response->state == RESPONSE_CHUNK) response_parse_chunk(response, text);
    else if (length == 2) response->state = RESPONSE_DONE;
    return taken;
}

size_t response_read(struct response *response, const char *data, size_t size) {
    size_t taken = 0;
    while (taken < size && response->state < RESPONSE_DONE)
        taken += response_step(response, data + taken, size - taken);
    return taken;
}

size_t response_read_head(struct response *response, const char *data, size_t size) {
    size_t taken = response_step(response, data, size);
    if (response->state != RESPONSE_HEAD && response->state != RESPONSE_BAD) response->state = RESPONSE_DONE;
    return taken;
}

void response_reset(struct response *response) {
    response->state = RESPONSE_HEAD;
}
