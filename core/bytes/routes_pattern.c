#include "bytes/routes_pattern.h"

#include <string.h>

static int is_name_byte(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || byte == '-';
}

static int is_name(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (!is_name_byte(text[i])) return 0;
    return 1;
}

static int has_name(const struct routes_pattern *pattern, const struct route_segment *name) {
    for (int i = 0; i < pattern->names_count; i++) {
        const struct route_segment *other = &pattern->names[i];
        if (other->length == name->length && memcmp(other->text, name->text, name->length) == 0) return 1;
    }
    return 0;
}

static const char *pattern_add_name(struct routes_pattern *pattern, const struct route_segment *name) {
    if (!name->length) return "a parameter has no name";
    if (!is_name(name->text, name->length)) return "a parameter's name has letters, digits, '_' and '-' alone";
    if (has_name(pattern, name)) return "two parameters have the same name";
    if (pattern->names_count == ROUTES_PARAMETERS_MAX) return "a pattern has at most 16 parameters";
    pattern->names[pattern->names_count++] = *name;
    return NULL;
}

static const char *segment_parse_literal(struct route_segment *segment) {
    segment->shape = SEGMENT_LITERAL;
    if (segment->length > ROUTES_SEGMENT_MAX) return "a segment is longer than 255 bytes";
    if (memchr(segment->text, '{', segment->length)) return "a parameter is a whole segment";
    if (memchr(segment->text, '}', segment->length)) return "a '}' has no '{'";
    return NULL;
}

/* "{name}" or "{name...}": the braces and the dots are cut off. */
static const char *segment_parse_parameter(struct route_segment *segment) {
    const char *close = memchr(segment->text, '}', segment->length);
    if (!close) return "a '{' is not closed";
    if (close != segment->text + segment->length - 1) return "a parameter is a whole segment";
    segment->text++;
    segment->length -= 2;
    segment->shape = SEGMENT_PARAMETER;
    if (segment->length >= 3 && memcmp(segment->text + segment->length - 3, "...", 3) == 0) {
        segment->shape = SEGMENT_REST;
        segment->length -= 3;
    }
    return NULL;
}

static const char *pattern_add(struct routes_pattern *pattern, const char *text, size_t length, int is_last) {
    struct route_segment *segment = &pattern->segments[pattern->count++];
    *segment = (struct route_segment){.text = text, .length = length};
    if (!length || *text != '{') return segment_parse_literal(segment);
    const char *what = segment_parse_parameter(segment);
    if (what) return what;
    if (segment->shape == SEGMENT_REST && !is_last) return "a rest is the last segment";
    return pattern_add_name(pattern, segment);
}

const char *routes_pattern_parse(struct routes_pattern *pattern, const char *text, size_t length) {
    const char *end = text + length, *what = NULL;
    pattern->count = pattern->names_count = 0;
    if (!length || *text != '/') return "a pattern starts with '/'";
    if (length > ROUTES_PATTERN_MAX) return "a pattern is longer than 1024 bytes";
    for (const char *at = text, *stop; at < end && !what; at = stop) { /* each segment follows a '/' */
        at++;
        stop = memchr(at, '/', (size_t)(end - at));
        int is_last = !stop;
        if (is_last) stop = end;
        what = pattern_add(pattern, at, (size_t)(stop - at), is_last);
    }
    return what;
}
