#include "bytes/http_fields.h"
#include "bytes/http_chars.h"

#include <string.h>

static int http_is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

/* The next element of a list, from *at, which is moved behind its comma; 0 at the end. */
static int http_next_element(const char *list, size_t length, size_t *at, const char **element, size_t *count) {
    if (*at > length) return 0;
    const char *comma = *at < length ? memchr(list + *at, ',', length - *at) : NULL;
    size_t start = *at, end = comma ? (size_t)(comma - list) : length;
    *at = end + 1;
    while (start < end && http_is_blank(list[start])) start++;
    while (start < end && http_is_blank(list[end - 1])) end--;
    *element = list + start;
    *count = end - start;
    return 1;
}

static int http_equals(const char *bytes, size_t length, const char *other, size_t count) {
    if (length != count) return 0;
    for (size_t i = 0; i < length; i++)
        if (http_lower(bytes[i]) != http_lower(other[i])) return 0;
    return 1;
}

int http_list_has(const char *list, size_t length, const char *token) {
    size_t at = 0, count, wanted = strlen(token);
    const char *element;
    while (http_next_element(list, length, &at, &element, &count))
        if (http_equals(element, count, token, wanted)) return 1;
    return 0;
}

int http_head_find_field(const struct http_head *head, const char *bytes, const char *name, size_t length, int from) {
    for (int i = from; i < head->count; i++) {
        struct http_span span = head->fields[i].name;
        if (http_equals(bytes + span.start, span.length, name, length)) return i;
    }
    return -1;
}

int http_is_token(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (!http_char_is(bytes[i], HTTP_TOKEN)) return 0;
    return length > 0;
}

int http_is_field_value(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (!http_char_is(bytes[i], HTTP_VALUE)) return 0;
    return 1;
}

/* The host. */

/* "[...]" of an IPv6 address; NULL: it is none. */
static const char *http_skip_literal(const char *at) {
    const char *start = ++at;
    while (http_char_is(*at, HTTP_HEX) || *at == ':' || *at == '.') at++;
    return *at == ']' && at - start >= 2 ? at + 1 : NULL;
}

static const char *http_skip_host(const char *at) {
    if (*at == '[') return http_skip_literal(at);
    for (;;) {
        at = http_skip(at, HTTP_HOST);
        if (*at != '%') return at;
        if (!http_char_is(at[1], HTTP_HEX) || !http_char_is(at[2], HTTP_HEX)) return NULL;
        at += 3;
    }
}

ptrdiff_t http_authority_length(const char *bytes) {
    const char *at = http_skip_host(bytes);
    if (at && *at == ':') at = http_skip(at + 1, HTTP_DIGIT);
    return at ? at - bytes : -1;
}

static int http_note_host(struct http_fields *fields, struct http_span value) {
    if (fields->has_host) return http_refuse(fields->problem, 400, "more than one Host");
    if (http_authority_length(fields->bytes + value.start) != value.length)
        return http_refuse(fields->problem, 400, "the Host is not a host and a port");
    fields->has_host = 1;
    if (!fields->has_authority) fields->head->host = value;
    return 0;
}

/* The framing. */

/* Some do not take a tab for white space behind a value, and read another framing then. */
static int http_has_tab_behind(const char *end) {
    while (*end == ' ') end++;
    return *end == '\t';
}

static int http_note_length(struct http_fields *fields, struct http_span value) {
    const char *at = fields->bytes + value.start, *end = at + value.length;
    uint64_t length = 0;
    if (fields->head->has_length) return http_refuse(fields->problem, 400, "more than one Content-Length");
    if (at == end || http_has_tab_behind(end)) return http_refuse(fields->problem, 400, "a malformed Content-Length");
    for (; at < end; at++) {
        if (!http_char_is(*at, HTTP_DIGIT)) return http_refuse(fields->problem, 400, "the Content-Length is no number");
        uint64_t digit = (uint64_t)(*at - '0');
        if (length > (INT64_MAX - digit) / 10)
            return http_refuse(fields->problem, 400, "the Content-Length is too large");
        length = length * 10 + digit;
    }
    fields->head->length = length;
    fields->head->has_length = 1;
    return 0;
}

static const char MALFORMED_CODING[] = "a malformed Transfer-Encoding";

/* Where chunked comes last, once, and the others are tokens, the length is known and only the coding is not; where it
 * does not, nobody knows the length (RFC 9112 6.3). */
static int http_refuse_coding(struct http_fields *fields, const char *list, size_t length) {
    size_t at = 0, count, chunked = 0;
    const char *element;
    while (http_next_element(list, length, &at, &element, &count)) {
        if (chunked || !http_is_token(element, count)) return http_refuse(fields->problem, 400, MALFORMED_CODING);
        chunked = http_equals(element, count, "chunked", 7);
    }
    if (!chunked) return http_refuse(fields->problem, 400, "a Transfer-Encoding that does not end in chunked");
    return http_refuse(fields->problem, 501, "a Transfer-Encoding other than chunked");
}

static int http_note_coding(struct http_fields *fields, struct http_span value) {
    const char *bytes = fields->bytes + value.start;
    if (fields->head->chunked) return http_refuse(fields->problem, 400, "more than one Transfer-Encoding");
    if (http_has_tab_behind(bytes + value.length)) return http_refuse(fields->problem, 400, MALFORMED_CODING);
    if (!http_equals(bytes, value.length, "chunked", 7)) return http_refuse_coding(fields, bytes, value.length);
    fields->head->chunked = 1;
    return 0;
}

/* The connection. */

static void http_note_option(struct http_fields *fields, const char *option, size_t length) {
    if (length == 5 && http_is_word(option, "close", 5)) fields->closes = 1;
    if (length == 10 && http_is_word(option, "keep-alive", 10)) fields->keeps = 1;
    if (length == 7 && http_is_word(option, "upgrade", 7)) fields->head->upgrades = 1;
}

static int http_note_connection(struct http_fields *fields, struct http_span value) {
    size_t at = 0, count;
    const char *option;
    while (http_next_element(fields->bytes + value.start, value.length, &at, &option, &count))
        http_note_option(fields, option, count);
    return 0;
}

static int http_note_expectation(struct http_fields *fields, struct http_span value) {
    if (!http_equals(fields->bytes + value.start, value.length, "100-continue", 12)) fields->expects_more = 1;
    fields->head->expects_continue = 1;
    return 0;
}

enum http_meaning http_name_meaning(const char *name, size_t length) {
    switch (length) {
    case 4: return http_is_word(name, "host", 4) ? HTTP_MEANS_HOST : HTTP_MEANS_NOTHING;
    case 6: return http_is_word(name, "expect", 6) ? HTTP_MEANS_EXPECTATION : HTTP_MEANS_NOTHING;
    case 10: return http_is_word(name, "connection", 10) ? HTTP_MEANS_CONNECTION : HTTP_MEANS_NOTHING;
    case 14: return http_is_word(name, "content-length", 14) ? HTTP_MEANS_LENGTH : HTTP_MEANS_NOTHING;
    case 17: return http_is_word(name, "transfer-encoding", 17) ? HTTP_MEANS_CODING : HTTP_MEANS_NOTHING;
    default: return HTTP_MEANS_NOTHING;
    }
}

int http_fields_note(struct http_fields *fields, const struct http_field *field) {
    switch (http_name_meaning(fields->bytes + field->name.start, field->name.length)) {
    case HTTP_MEANS_HOST: return http_note_host(fields, field->value);
    case HTTP_MEANS_EXPECTATION: return http_note_expectation(fields, field->value);
    case HTTP_MEANS_CONNECTION: return http_note_connection(fields, field->value);
    case HTTP_MEANS_LENGTH: return http_note_length(fields, field->value);
    case HTTP_MEANS_CODING: return http_note_coding(fields, field->value);
    default: return 0;
    }
}

static int http_check_framing(struct http_fields *fields) {
    const struct http_head *head = fields->head;
    if (head->chunked && head->has_length)
        return http_refuse(fields->problem, 400, "both Content-Length and Transfer-Encoding");
    if (head->chunked && head->minor == 0) return http_refuse(fields->problem, 400, "a Transfer-Encoding in HTTP/1.0");
    return 0;
}

/* RFC 9112 9.3. */
static int http_set_persistence(struct http_fields *fields) {
    struct http_head *head = fields->head;
    head->keep_alive = !fields->closes && (head->minor == 1 || fields->keeps);
    return 0;
}

int http_fields_finish_request(struct http_fields *fields) {
    struct http_head *head = fields->head;
    if (http_check_framing(fields) < 0) return -1;
    if (head->minor == 1 && !fields->has_host) return http_refuse(fields->problem, 400, "no Host");
    if (http_span_equals(head->method, fields->bytes, "CONNECT", 7) && (head->chunked || head->has_length))
        return http_refuse(fields->problem, 400, "a CONNECT with a body");
    if (head->minor == 1 && fields->expects_more)
        return http_refuse(fields->problem, 417, "an expectation other than 100-continue");
    if (head->minor == 0) head->expects_continue = 0;
    return http_set_persistence(fields);
}

/* RFC 9112 6.1, RFC 9110 8.6: not to be sent, and it is read as a body by some. */
int http_fields_finish_response(struct http_fields *fields) {
    struct http_head *head = fields->head;
    if (http_check_framing(fields) < 0) return -1;
    if ((head->status < 200 || head->status == 204) && (head->chunked || (head->has_length && head->length)))
        return http_refuse(fields->problem, 400, "a body where the status allows none");
    head->expects_continue = 0;
    return http_set_persistence(fields);
}
