#include "bytes/parameters.h"

#include <string.h>

static const char *skip_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    return at;
}

/* Lenient: whatever cannot end it. Real senders leave out the quotes where they are due. */
static int is_value_byte(char byte) {
    return (unsigned char)byte > ' ' && byte != ';' && byte != '"' && byte != 0x7f;
}

static const char *read_bare(struct span *span, const char *at, const char *end, char stop) {
    span->bytes = at;
    while (at < end && is_value_byte(*at) && *at != stop) at++;
    span->length = (size_t)(at - span->bytes);
    return at;
}

/* From behind the first quote to behind the second; NULL when there is none. */
static const char *read_quoted(struct span *span, const char *at, const char *end) {
    span->bytes = at;
    for (; at < end && *at != '"'; at++)
        if (*at == '\\' && at + 1 < end) at++;
    if (at == end) return NULL;
    span->length = (size_t)(at - span->bytes);
    return at + 1;
}

static const char *read_parameter(struct parameter *parameter, const char *at, const char *end) {
    at = read_bare(&parameter->name, at, end, '=');
    if (!parameter->name.length || at == end || *at != '=') return NULL;
    at++;
    parameter->is_quoted = at < end && *at == '"';
    if (parameter->is_quoted) return read_quoted(&parameter->value, at + 1, end);
    return read_bare(&parameter->value, at, end, ';');
}

int parameter_next(const char *bytes, size_t length, size_t *position, struct parameter *parameter) {
    const char *end = bytes + length, *at = skip_space(bytes + *position, end);
    if (at < end && *at != ';') return -1;
    while (at < end && *at == ';') at = skip_space(at + 1, end);
    *position = (size_t)(at - bytes);
    if (at == end) return 0;
    at = read_parameter(parameter, at, end);
    if (!at) return -1;
    *position = (size_t)(at - bytes);
    return 1;
}

int parameter_is(const struct parameter *parameter, const char *name) {
    return parameter->name.length == strlen(name) && strncasecmp(parameter->name.bytes, name, strlen(name)) == 0;
}
