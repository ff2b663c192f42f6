#include "bytes/routes.h"
#include "bytes/percent.h"
#include "bytes/routes_pattern.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct node;

struct literal {
    const char *text;
    size_t length;
    struct node *node;
};

struct node {
    struct literal *literals; /* sorted: shorter ones first, then by their bytes */
    size_t count;
    struct node *parameter;
    int endpoint, rest; /* numbers, or NONE */
    char text[];        /* of the literal that leads here */
};

struct endpoint {
    char *pattern;
    struct {
        size_t start, length;
    } names[ROUTES_PARAMETERS_MAX]; /* in the pattern */
    int count;
};

struct routes {
    struct node *root; /* what comes before the first '/' */
    struct endpoint *endpoints;
    int count;
};

enum { NONE = -1, ENCODED_MAX = 3 * ROUTES_SEGMENT_MAX };

static struct node *node_new(const char *text, size_t length) {
    struct node *node = malloc(sizeof *node + length);
    if (!node) return NULL;
    *node = (struct node){.endpoint = NONE, .rest = NONE};
    if (length) memcpy(node->text, text, length);
    return node;
}

static void node_free(struct node *node) {
    if (!node) return;
    for (size_t i = 0; i < node->count; i++) node_free(node->literals[i].node);
    free(node->literals);
    node_free(node->parameter);
    free(node);
}

struct routes *routes_new(void) {
    struct routes *routes = calloc(1, sizeof *routes);
    struct node *root = node_new(NULL, 0);
    if (routes && root) {
        routes->root = root;
        return routes;
    }
    free(root);
    free(routes);
    return NULL;
}

void routes_free(struct routes *routes) {
    if (!routes) return;
    node_free(routes->root);
    for (int i = 0; i < routes->count; i++) free(routes->endpoints[i].pattern);
    free(routes->endpoints);
    free(routes);
}

static int literal_compare(const struct literal *literal, const char *text, size_t length) {
    if (literal->length != length) return literal->length < length ? -1 : 1;
    return memcmp(literal->text, text, length);
}

/* Where a literal is among its node's, or belongs. */
static size_t node_search(const struct node *node, const char *text, size_t length) {
    size_t low = 0, high = node->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = literal_compare(&node->literals[middle], text, length);
        if (order == 0) return middle;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

static struct node *node_literal(const struct node *node, const char *text, size_t length) {
    size_t i = node_search(node, text, length);
    return i < node->count && literal_compare(&node->literals[i], text, length) == 0 ? node->literals[i].node : NULL;
}

static struct node *node_add_literal(struct node *node, const char *text, size_t length) {
    struct node *child = node_literal(node, text, length);
    if (child) return child;
    struct literal *literals = realloc(node->literals, (node->count + 1) * sizeof *literals);
    if (!literals) return NULL;
    node->literals = literals;
    if (!(child = node_new(text, length))) return NULL;
    size_t i = node_search(node, text, length);
    memmove(literals + i + 1, literals + i, (node->count++ - i) * sizeof *literals);
    literals[i] = (struct literal){child->text, length, child};
    return child;
}

static struct node *node_add_parameter(struct node *node) {
    if (!node->parameter) node->parameter = node_new(NULL, 0);
    return node->parameter;
}

/* Where the pattern keeps its endpoint's number; NULL when out of memory, with nodes that lead nowhere. */
static int *routes_add_nodes(struct routes *routes, const struct routes_pattern *pattern) {
    struct node *node = routes->root;
    for (int i = 0; node && i < pattern->count; i++) {
        const struct route_segment *segment = &pattern->segments[i];
        if (segment->shape == SEGMENT_REST) return &node->rest;
        if (segment->shape == SEGMENT_PARAMETER) node = node_add_parameter(node);
        else node = node_add_literal(node, segment->text, segment->length);
    }
    return node ? &node->endpoint : NULL;
}

static int endpoint_init(struct endpoint *endpoint, const struct routes_pattern *pattern, const char *text,
                         size_t length) {
    endpoint->pattern = malloc(length);
    if (!endpoint->pattern) return -1;
    memcpy(endpoint->pattern, text, length);
    endpoint->count = pattern->names_count;
    for (int i = 0; i < endpoint->count; i++) {
        endpoint->names[i].start = (size_t)(pattern->names[i].text - text);
        endpoint->names[i].length = pattern->names[i].length;
    }
    return 0;
}

/* Patterns of one shape have as many parameters. */
static int endpoint_has_names(const struct endpoint *endpoint, const struct routes_pattern *pattern) {
    for (int i = 0; i < endpoint->count; i++) {
        const char *name = endpoint->pattern + endpoint->names[i].start;
        size_t length = endpoint->names[i].length;
        if (pattern->names[i].length != length || memcmp(pattern->names[i].text, name, length) != 0) return 0;
    }
    return 1;
}

static int routes_add_endpoint(struct routes *routes, const struct routes_pattern *pattern, const char *text,
                               size_t length) {
    if (routes->count == INT_MAX) return NONE;
    struct endpoint *endpoints = realloc(routes->endpoints, (size_t)(routes->count + 1) * sizeof *endpoints);
    if (!endpoints) return NONE;
    routes->endpoints = endpoints;
    return endpoint_init(&endpoints[routes->count], pattern, text, length) < 0 ? NONE : routes->count++;
}

int routes_add(struct routes *routes, const char *pattern, size_t length, const char **what) {
    struct routes_pattern parsed;
    if ((*what = routes_pattern_parse(&parsed, pattern, length))) return NONE;
    int *number = routes_add_nodes(routes, &parsed);
    if (number && *number == NONE) *number = routes_add_endpoint(routes, &parsed, pattern, length);
    if (!number || *number == NONE) {
        *what = "out of memory";
        return NONE;
    }
    if (endpoint_has_names(&routes->endpoints[*number], &parsed)) return *number;
    *what = "the same pattern is there with other names";
    return NONE;
}

/* One search: what stays the same on its way down. */
struct search {
    const char *path, *end;
    struct routes_match *match;
    int is_encoded; /* there is a '%' somewhere */
};

/* A segment that is longer than the encoding of the longest literal is none. */
static struct node *node_decoded_literal(const struct node *node, const char *text, size_t length) {
    char decoded[ENCODED_MAX];
    if (length > sizeof decoded) return NULL;
    length = percent_decode(decoded, text, length, 0);
    return node_literal(node, decoded, length);
}

static struct node *search_literal(const struct search *search, const struct node *node, const char *at,
                                   size_t length) {
    if (!node->count) return NULL;
    if (search->is_encoded && memchr(at, '%', length)) return node_decoded_literal(node, at, length);
    return node_literal(node, at, length);
}

static void search_keep(const struct search *search, int i, const char *from, const char *to) {
    search->match->parameters[i].start = (size_t)(from - search->path);
    search->match->parameters[i].length = (size_t)(to - from);
}

static int search_node(const struct search *search, const struct node *node, const char *at, int count);

/* A node that the path leads to with the segment that ends at `stop`. */
static int search_enter(const struct search *search, const struct node *node, const char *stop, int count) {
    if (stop < search->end) return search_node(search, node, stop + 1, count);
    search->match->count = count;
    return node->endpoint;
}

/* What follows a '/' at a node, with `count` parameters found so far. */
static int search_node(const struct search *search, const struct node *node, const char *at, int count) {
    const char *stop = memchr(at, '/', (size_t)(search->end - at));
    if (!stop) stop = search->end;
    int found = NONE;
    const struct node *literal = search_literal(search, node, at, (size_t)(stop - at));
    if (literal) found = search_enter(search, literal, stop, count);
    if (found == NONE && node->parameter && stop > at) {
        search_keep(search, count, at, stop);
        found = search_enter(search, node->parameter, stop, count + 1);
    }
    if (found == NONE && node->rest != NONE && at < search->end) {
        search_keep(search, count, at, search->end);
        search->match->count = count + 1;
        found = node->rest;
    }
    return found;
}

int routes_find(const struct routes *routes, const char *path, size_t length, struct routes_match *match) {
    if (!length || *path != '/') return NONE;
    struct search search = {path, path + length, match, memchr(path, '%', length) != NULL};
    return search_node(&search, routes->root, path + 1, 0);
}

const char *routes_parameter_name(const struct routes *routes, int endpoint, int i, size_t *length) {
    const struct endpoint *it = &routes->endpoints[endpoint];
    if (i < 0 || i >= it->count) return NULL;
    *length = it->names[i].length;
    return it->pattern + it->names[i].start;
}
