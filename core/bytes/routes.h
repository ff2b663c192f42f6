/* URL routing: patterns like "/items/{id}" and "/files/{path...}" in a trie of segments. A literal segment beats a
 * parameter, a parameter beats the rest; what fails deeper down falls back. Paths are matched as they came: a segment
 * with a '%' is decoded to be compared, and "/a" and "/a/" differ. Owner: the application. Invariant: a path reaches
 * each node of the trie at most once, so that a search costs no more than there are nodes. */
#ifndef PERIGEE_BYTES_ROUTES_H
#define PERIGEE_BYTES_ROUTES_H

#include <stddef.h>

enum { ROUTES_PARAMETERS_MAX = 16, ROUTES_PATTERN_MAX = 1024, ROUTES_SEGMENT_MAX = 255 /* bytes */ };

struct routes;

/* What the parameters of the pattern stand for, in order: offsets into the path, still percent-encoded, never empty. */
struct routes_match {
    int count;
    struct {
        size_t start, length;
    } parameters[ROUTES_PARAMETERS_MAX];
};

struct routes *routes_new(void); /* NULL when out of memory */
void routes_free(struct routes *routes);

/* Returns the pattern's endpoint: 0, 1, 2 ..., the one it has already when it was added before. -1 with a static text
 * when the pattern is wrong, when it differs from another in nothing but the names of its parameters, or when out of
 * memory. */
int routes_add(struct routes *routes, const char *pattern, size_t length, const char **what);

/* The endpoint of the best pattern that matches, or -1. */
int routes_find(const struct routes *routes, const char *path, size_t length, struct routes_match *match);

/* The name of parameter `i`, from 0; NULL when the endpoint has no more. It lives as long as the routes. */
const char *routes_parameter_name(const struct routes *routes, int endpoint, int i, size_t *length);

#endif
