/* The bytes of an answer, as libcurl hands them over: the head line by line, and the body. */
#include "io/http_client_private.h"

#include <stdlib.h>
#include <strings.h>

static size_t give_up(struct http_transfer *transfer, enum http_fault fault) {
    transfer->fault = fault;
    return 0; /* which is not the length: libcurl ends the transfer */
}

static int is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

/* "HTTP/1.1 200 OK", "HTTP/2 200". libcurl takes more than that for one. The line has its end. */
static int is_status_line(const char *line) {
    if (strncmp(line, "HTTP/", 5) || !is_digit(line[5])) return 0;
    line += line[6] == '.' && is_digit(line[7]) ? 8 : 6;
    if (*line != ' ' || !is_digit(line[1]) || !is_digit(line[2]) || !is_digit(line[3])) return 0;
    return strchr(" \r\n", line[4]) != NULL;
}

/* A head follows on one that is only provisional (RFC 9110 15.2), trailers follow on the body. */
static enum http_head_state state_after_head(struct http_transfer *transfer) {
    long status = 0;
    transfer->client->curl.easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    return status >= 100 && status < 200 ? HEAD_STATUS : HEAD_TRAILERS;
}

/* A line that begins with a blank goes on with the last one (RFC 9112 5.2). */
static int keep_field(struct text *head, const char *line, size_t length) {
    if (head->length && (*line == ' ' || *line == '\t')) head->bytes[head->length - 1] = ' ';
    return text_append(head, line, length) < 0 || text_append(head, "\n", 1) < 0 ? -1 : 0;
}

/* Behind "name:", if the line is such a field; it has its end. */
static const char *value_of(const char *line, const char *name) {
    size_t length = strlen(name);
    return strncasecmp(line, name, length) == 0 ? line + length : NULL;
}

/* Where the body ends cannot be told then (RFC 9110 8.6). */
static enum http_fault note_length(struct http_transfer *transfer, const char *value) {
    unsigned long long before = transfer->length;
    int is_first = !transfer->has_length;
    transfer->length = strtoull(value, NULL, 10);
    transfer->has_length = 1;
    return is_first || transfer->length == before ? FAULT_NONE : FAULT_LENGTHS;
}

/* Several codings, one on the other, are none that we ask for. */
static enum http_fault note_coding(struct http_transfer *transfer, const char *value) {
    enum content_coding coding = transfer->decodes ? content_coding_find(value, strcspn(value, "\r\n")) : CODING_NONE;
    if (coding) transfer->decoder.coding = transfer->decoder.coding ? CODING_OTHER : coding;
    return FAULT_NONE;
}

/* libcurl would decode others, but does not see whether they are whole. */
static enum http_fault check_transfer_coding(const char *value) {
    value += strspn(value, " \t");
    int is_chunked = !strncasecmp(value, "chunked", 7) && strchr(" \t\r\n", value[7]);
    int is_identity = !strncasecmp(value, "identity", 8) && strchr(" \t\r\n", value[8]);
    return is_chunked || is_identity ? FAULT_NONE : FAULT_CODING;
}

static enum http_fault note_field(struct http_transfer *transfer, const char *line, size_t length) {
    const char *value;
    if (keep_field(&transfer->answer.head, line, length) < 0) return FAULT_MEMORY;
    if ((value = value_of(line, "content-length:"))) return note_length(transfer, value);
    if ((value = value_of(line, "content-encoding:"))) return note_coding(transfer, value);
    if ((value = value_of(line, "transfer-encoding:"))) return check_transfer_coding(value);
    return FAULT_NONE;
}

/* The first line of a head begins it anew. `length` is without the line's end. */
static enum http_fault take_line(struct http_transfer *transfer, const char *line, size_t length) {
    switch (transfer->head_state) {
    case HEAD_STATUS:
        if (!is_status_line(line)) return FAULT_STATUS_LINE;
        transfer->answer.head.length = 0;
        transfer->has_length = 0;
        content_decoder_destroy(&transfer->decoder);
        transfer->head_state = HEAD_FIELDS;
        return FAULT_NONE;
    case HEAD_FIELDS:
        if (length) return note_field(transfer, line, length);
        transfer->head_state = state_after_head(transfer);
        return FAULT_NONE;
    case HEAD_TRAILERS: return FAULT_NONE;
    }
    return FAULT_NONE;
}

size_t http_transfer_on_head(char *line, size_t one, size_t size, void *context) {
    struct http_transfer *transfer = context;
    size_t length = size;
    (void)one;
    transfer->head_size += size;
    if (transfer->head_size > transfer->head_limit) return give_up(transfer, FAULT_HEAD_LIMIT);
    while (length && (line[length - 1] == '\n' || line[length - 1] == '\r')) length--;
    enum http_fault fault = take_line(transfer, line, length);
    return fault ? give_up(transfer, fault) : size;
}

size_t http_transfer_on_body(char *bytes, size_t one, size_t size, void *context) {
    static const enum http_fault faults[] = {
        [CONTENT_DECODED] = FAULT_NONE,      [CONTENT_UNKNOWN] = FAULT_CODING,   [CONTENT_DAMAGED] = FAULT_DAMAGED,
        [CONTENT_FOLLOWED] = FAULT_FOLLOWED, [CONTENT_LIMIT] = FAULT_BODY_LIMIT, [CONTENT_NO_MEMORY] = FAULT_MEMORY};
    struct http_transfer *transfer = context;
    (void)one;
    enum http_fault fault =
        faults[content_decode(&transfer->decoder, bytes, size, transfer->body_limit, &transfer->answer.body)];
    return fault ? give_up(transfer, fault) : size;
}
