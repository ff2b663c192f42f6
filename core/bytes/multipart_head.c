#include "bytes/multipart_head.h"
#include "bytes/parameters.h"
#include "bytes/percent.h"

#include <string.h>

struct field {
    struct span name, value;
};

static int span_is(struct span span, const char *text) {
    return span.length == strlen(text) && strncasecmp(span.bytes, text, span.length) == 0;
}

static int has_control(const char *at, const char *end) {
    for (; at < end; at++)
        if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f) return 1;
    return 0;
}

static int has_space(struct span span) {
    return memchr(span.bytes, ' ', span.length) || memchr(span.bytes, '\t', span.length);
}

static struct span span_trim(const char *start, const char *stop) {
    while (start < stop && (*start == ' ' || *start == '\t')) start++;
    while (start < stop && (stop[-1] == ' ' || stop[-1] == '\t')) stop--;
    return (struct span){start, (size_t)(stop - start)};
}

/* A line without its end. */
static const char *field_parse(struct field *field, const char *line, const char *stop) {
    const char *colon = memchr(line, ':', (size_t)(stop - line));
    if (!colon) return "a header field of a part has no colon";
    field->name = (struct span){line, (size_t)(colon - line)};
    field->value = span_trim(colon + 1, stop);
    if (!field->name.length || has_space(field->name)) return "a header field of a part has no proper name";
    if (has_control(line, stop)) return "a header field of a part has a control character";
    return NULL;
}

/* Takes the backslash off a quote or a backslash, and off nothing else: some browsers sent "C:\file" as it is. */
static struct span span_unescape(struct span span) {
    char *to = (char *)span.bytes;
    for (size_t i = 0; i < span.length; i++) {
        char next = i + 1 < span.length ? span.bytes[i + 1] : 0;
        if (span.bytes[i] == '\\' && (next == '"' || next == '\\')) i++;
        *to++ = span.bytes[i];
    }
    return (struct span){span.bytes, (size_t)(to - span.bytes)};
}

/* UTF-8''caf%C3%A9.txt (RFC 8187); nothing when it has another charset. */
static struct span span_decode_extended(struct span span) {
    static const char charset[] = "UTF-8'";
    if (span.length < strlen(charset) || strncasecmp(span.bytes, charset, strlen(charset)) != 0)
        return (struct span){0};
    const char *start = span.bytes + strlen(charset), *end = span.bytes + span.length;
    const char *language_end = memchr(start, '\'', (size_t)(end - start));
    if (!language_end) return (struct span){0};
    start = language_end + 1;
    return (struct span){start, percent_decode((char *)start, start, (size_t)(end - start), 0)};
}

/* Which of the names a parameter gives; a filename* is better than a filename, wherever it stands. */
static const char *part_take_parameter(struct multipart_part *part, const struct parameter *parameter,
                                       struct span *extended) {
    struct span *name = parameter_is(parameter, "name")        ? &part->name
                        : parameter_is(parameter, "filename")  ? &part->filename
                        : parameter_is(parameter, "filename*") ? extended
                                                               : NULL;
    if (!name) return NULL;
    if (name->bytes) return "a part has two names of one kind";
    if (name == extended) *name = span_decode_extended(parameter->value);
    else *name = parameter->is_quoted ? span_unescape(parameter->value) : parameter->value;
    return NULL;
}

static const char *part_take_disposition(struct multipart_part *part, struct span value) {
    struct parameter parameter;
    struct span extended = {0};
    size_t position = strlen("form-data");
    int more;
    if (part->name.bytes) return "a part has two dispositions";
    if (value.length < position || strncasecmp(value.bytes, "form-data", position) != 0)
        return "a part is no form-data";
    while ((more = parameter_next(value.bytes, value.length, &position, &parameter)) > 0) {
        const char *what = part_take_parameter(part, &parameter, &extended);
        if (what) return what;
    }
    if (more < 0) return "the disposition of a part is malformed";
    if (extended.bytes) part->filename = extended;
    return part->name.bytes ? NULL : "a part has no name";
}

static const char *part_take_field(struct multipart_part *part, const struct field *field) {
    if (span_is(field->name, "Content-Disposition")) return part_take_disposition(part, field->value);
    if (span_is(field->name, "Content-Type")) part->content_type = field->value;
    return NULL;
}

const char *multipart_head_parse(struct multipart_part *part, char *head, size_t length) {
    const char *end = head + length, *what = NULL;
    int count = 0;
    *part = (struct multipart_part){0};
    for (const char *line = head, *stop; line < end && !what; line = stop + 1) {
        struct field field;
        stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == line || stop[-1] != '\r') return "a line of a part's head ends in a bare LF";
        if (++count > MULTIPART_FIELDS_MAX) return "a part has too many header fields";
        what = field_parse(&field, line, stop - 1);
        if (!what) what = part_take_field(part, &field);
    }
    if (what) return what;
    return part->name.bytes ? NULL : "a part has no name";
}
