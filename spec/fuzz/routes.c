/* Patterns and paths made of few segments, so that they meet: the trie finds what a search through all of the patterns
 * finds, with the same parameters. The rest of the input is a pattern and a path as they come. */
#include "bytes/routes.h"
#include "bytes/percent.h"
#include "fuzz.h"

#include <string.h>

enum { PATTERNS_MAX = 24, SEGMENTS_MAX = 5, TEXT_MAX = 64, KINDS = 8, LITERALS = 4, REST = 6 };

/* Literals, parameters, rests: in the order in which they are preferred. */
static const char *const segments[KINDS] = {"", "a", "b%", "\xc3\xa9", "{x}", "{y}", "{x...}", "{z...}"};
static const char *const pieces[] = {"", "a", "%61", "b%25", "%C3%a9", "c", "%", "%2f", "{x}", "b%"};

struct sample {
    int kinds[SEGMENTS_MAX];
    int count;
    char text[TEXT_MAX];
    size_t length;
};

struct model {
    struct sample samples[PATTERNS_MAX]; /* by endpoint */
    int count;
};

static void sample_add(struct sample *sample, const char *segment) {
    sample->text[sample->length++] = '/';
    memcpy(sample->text + sample->length, segment, strlen(segment));
    sample->length += strlen(segment);
}

static struct sample make_pattern(struct input *input) {
    struct sample sample = {.count = 1 + (int)input_number(input, SEGMENTS_MAX - 1)};
    for (int i = 0; i < sample.count; i++) {
        sample.kinds[i] = (int)input_number(input, KINDS - 1);
        sample_add(&sample, segments[sample.kinds[i]]);
    }
    return sample;
}

static struct sample make_path(struct input *input) {
    struct sample sample = {.count = 1 + (int)input_number(input, SEGMENTS_MAX - 1)};
    for (int i = 0; i < sample.count; i++)
        sample_add(&sample, pieces[input_number(input, sizeof pieces / sizeof *pieces - 1)]);
    return sample;
}

/* Parameters of one shape are alike; literals are not. */
static int shape_of(int kind) {
    return kind < LITERALS ? kind : kind < REST ? LITERALS : LITERALS + 1;
}

static char name_of(int kind) {
    return kind < LITERALS ? 0 : segments[kind][1];
}

static int sample_is_valid(const struct sample *sample) {
    for (int i = 0; i < sample->count; i++) {
        if (sample->kinds[i] >= REST && i < sample->count - 1) return 0;
        for (int j = 0; j < i; j++)
            if (name_of(sample->kinds[i]) && name_of(sample->kinds[i]) == name_of(sample->kinds[j])) return 0;
    }
    return 1;
}

/* By shapes, the first that differs: below 0 when `a` is preferred. */
static int sample_compare(const struct sample *a, const struct sample *b) {
    for (int i = 0; i < a->count && i < b->count; i++) {
        int difference = shape_of(a->kinds[i]) - shape_of(b->kinds[i]);
        if (difference) return difference;
    }
    return a->count - b->count;
}

static int model_add(struct model *model, const struct sample *sample) {
    if (!sample_is_valid(sample)) return -1;
    for (int i = 0; i < model->count; i++) {
        const struct sample *other = &model->samples[i];
        if (sample_compare(sample, other) == 0)
            return memcmp(sample->kinds, other->kinds, sizeof sample->kinds) == 0 ? i : -1;
    }
    model->samples[model->count] = *sample;
    return model->count++;
}

static int piece_matches(const char *at, const char *stop, const char *literal) {
    char decoded[TEXT_MAX];
    size_t length = percent_decode(decoded, at, (size_t)(stop - at), 0);
    return length == strlen(literal) && memcmp(decoded, literal, length) == 0;
}

static void match_keep(struct routes_match *match, size_t start, size_t length) {
    match->parameters[match->count].start = start;
    match->parameters[match->count++].length = length;
}

static int sample_matches(const struct sample *sample, const char *path, size_t length, struct routes_match *match) {
    const char *at = path, *end = path + length;
    match->count = 0;
    for (int i = 0; i < sample->count; i++) {
        if (at == end || *at != '/') return 0;
        at++;
        const char *stop = sample->kinds[i] < REST ? memchr(at, '/', (size_t)(end - at)) : NULL;
        if (!stop) stop = end;
        if (sample->kinds[i] < LITERALS && !piece_matches(at, stop, segments[sample->kinds[i]])) return 0;
        if (sample->kinds[i] >= LITERALS && stop == at) return 0;
        if (sample->kinds[i] >= LITERALS) match_keep(match, (size_t)(at - path), (size_t)(stop - at));
        at = stop;
    }
    return at == end;
}

static int model_find(const struct model *model, const char *path, size_t length, struct routes_match *match) {
    int best = -1;
    struct routes_match other;
    for (int i = 0; i < model->count; i++) {
        if (!sample_matches(&model->samples[i], path, length, &other)) continue;
        if (best >= 0 && sample_compare(&model->samples[best], &model->samples[i]) < 0) continue;
        best = i;
        *match = other;
    }
    return best;
}

static void check_names(const struct routes *routes, int endpoint, const struct sample *sample) {
    size_t length;
    int count = 0;
    for (int i = 0; i < sample->count; i++) {
        if (!name_of(sample->kinds[i])) continue;
        const char *name = routes_parameter_name(routes, endpoint, count++, &length);
        check(name && length == 1 && *name == name_of(sample->kinds[i]));
    }
    check(!routes_parameter_name(routes, endpoint, count, &length));
}

/* From memory of just that size, so that a byte too many is seen. */
static void check_find(const struct routes *routes, const struct model *model, const char *path, size_t length) {
    struct routes_match match, expected;
    char *copy = memcpy(malloc(length + !length), path, length);
    int found = routes_find(routes, copy, length, &match);
    check(found == model_find(model, path, length, &expected));
    if (found >= 0) check(match.count == expected.count);
    for (int i = 0; found >= 0 && i < match.count; i++)
        check(!memcmp(&match.parameters[i], &expected.parameters[i], sizeof match.parameters[i]));
    free(copy);
}

static void add(struct routes *routes, struct model *model, struct input *input) {
    struct sample sample = make_pattern(input);
    const char *what = NULL;
    int number = routes_add(routes, sample.text, sample.length, &what);
    check(number == model_add(model, &sample) && !what == (number >= 0));
    if (number >= 0) check_names(routes, number, &sample);
}

/* A pattern as it comes; without parameters it matches itself, where it is no encoding of another. */
static void check_raw(const uint8_t *data, size_t size) {
    const char *text = (const char *)data, *what = NULL;
    struct routes *routes = routes_new();
    struct routes_match match;
    int number = routes_add(routes, text, size, &what);
    check(number == (what ? -1 : 0));
    check(routes_add(routes, text, size, &what) == number);
    int is_plain = !memchr(text, '{', size) && !memchr(text, '%', size);
    int found = routes_find(routes, text, size, &match);
    if (number == 0 && is_plain) check(found == 0 && match.count == 0);
    routes_free(routes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    struct model model = {.count = 0};
    struct routes *routes = routes_new();
    for (size_t left = input_number(&input, PATTERNS_MAX); left; left--) add(routes, &model, &input);
    for (size_t left = input_number(&input, 20); left; left--) {
        struct sample path = make_path(&input);
        check_find(routes, &model, path.text, path.length);
    }
    if (input.size) check_find(routes, &model, (const char *)input.data, input.size < TEXT_MAX ? input.size : TEXT_MAX);
    if (input.size) check_raw(input.data, input.size);
    routes_free(routes);
    return 0;
}
