/* A routing pattern, split into its segments and checked. Owner: the caller; segments point into the pattern's text.
 * Invariant: names are not empty and differ, and a rest is the last segment. */
#ifndef PERIGEE_BYTES_ROUTES_PATTERN_H
#define PERIGEE_BYTES_ROUTES_PATTERN_H

#include "bytes/routes.h"

enum segment_shape { SEGMENT_LITERAL, SEGMENT_PARAMETER, SEGMENT_REST };

/* A segment's text, or the name of a parameter. */
struct route_segment {
    const char *text;
    size_t length;
    enum segment_shape shape;
};

struct routes_pattern {
    int count;
    struct route_segment segments[ROUTES_PATTERN_MAX];
    int names_count;
    struct route_segment names[ROUTES_PARAMETERS_MAX]; /* those that are no literals, in order */
};

/* NULL, or a static text that says what is wrong. */
const char *routes_pattern_parse(struct routes_pattern *pattern, const char *text, size_t length);

#endif
