/* Heads: no byte outside is read, bytes that come one by one say the same as all at once, and what is accepted is as
 * strict as http_head.h promises. The first byte: a request or a response, and the limits. */
#include "bytes/http_head.h"
#include "fuzz.h"

#include <string.h>

struct found {
    ptrdiff_t size;
    size_t came; /* bytes when it was said */
    struct http_problem problem;
};

/* Into memory of just that size, so that a byte too many is seen. */
static char *copy_exactly(const void *data, size_t size) {
    return size ? memcpy(malloc(size), data, size) : malloc(1);
}

static struct found find_at_once(const char *bytes, size_t size, const struct http_limits *limits) {
    struct found found = {.came = size};
    size_t scanned = 0;
    found.size = http_head_find(bytes, size, &scanned, limits, &found.problem);
    return found;
}

static struct found find_one_by_one(const char *bytes, size_t size, const struct http_limits *limits) {
    struct found found = {.size = 0};
    size_t scanned = 0;
    for (; found.came <= size && !found.size; found.came++)
        found.size = http_head_find(bytes, found.came, &scanned, limits, &found.problem);
    found.came--;
    return found;
}

/* All bytes, those that came until it was said, and one less. */
static ptrdiff_t find(const char *bytes, size_t size, const struct http_limits *limits) {
    struct found whole = find_at_once(bytes, size, limits), slow = find_one_by_one(bytes, size, limits);
    check(slow.size == whole.size && (whole.size >= 0 || !strcmp(slow.problem.what, whole.problem.what)));
    if (whole.size > 0) check((size_t)whole.size == slow.came && whole.size <= limits->head);
    if (!whole.size) return 0;
    char *part = copy_exactly(bytes, slow.came);
    struct found again = find_at_once(part, slow.came, limits);
    check(again.size == whole.size && !find_at_once(part, slow.came - 1, limits).size);
    free(part);
    return whole.size;
}

static void check_span(const struct http_head *head, struct http_span span) {
    check(span.start + span.length <= head->size);
}

static int is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

static void check_field(const struct http_head *head, const char *bytes, int i) {
    struct http_span name = head->fields[i].name, value = head->fields[i].value;
    check_span(head, name);
    check_span(head, value);
    check(http_is_token(bytes + name.start, name.length) && bytes[name.start + name.length] == ':');
    check(bytes[name.start - 1] == '\n' && name.start + name.length < value.start);
    check(http_is_field_value(bytes + value.start, value.length));
    check(!value.length || (!is_blank(bytes[value.start]) && !is_blank(bytes[value.start + value.length - 1])));
    check(http_head_find_field(head, bytes, bytes + name.start, name.length, i) == i);
}

/* The field of a name that may be there but once; -1: it is not there. */
static int only_field(const struct http_head *head, const char *bytes, const char *name) {
    int i = http_head_find_field(head, bytes, name, strlen(name), 0);
    check(i < 0 || http_head_find_field(head, bytes, name, strlen(name), i + 1) < 0);
    return i;
}

static void check_framing(const struct http_head *head, const char *bytes) {
    int length = only_field(head, bytes, "content-length"), coding = only_field(head, bytes, "Transfer-Encoding");
    check(head->has_length == (length >= 0) && head->chunked == (coding >= 0) && (length < 0 || coding < 0));
    check(!head->chunked || (head->minor == 1 && head->fields[coding].value.length == 7));
    if (length >= 0) {
        struct http_span value = head->fields[length].value;
        check(memchr("0123456789", bytes[value.start], 10) != NULL && head->length <= INT64_MAX);
        check(strtoull(bytes + value.start, NULL, 10) == head->length);
    }
}

static int connection_has(const struct http_head *head, const char *bytes, const char *token) {
    for (int i = -1; (i = http_head_find_field(head, bytes, "Connection", 10, i + 1)) >= 0;) {
        struct http_span value = head->fields[i].value;
        if (http_list_has(bytes + value.start, value.length, token)) return 1;
    }
    return 0;
}

static void check_connection(const struct http_head *head, const char *bytes) {
    int closes = connection_has(head, bytes, "close"), keeps = connection_has(head, bytes, "keep-alive");
    check(head->keep_alive == (!closes && (head->minor == 1 || keeps)));
    check(head->upgrades == connection_has(head, bytes, "Upgrade"));
}

static void check_request(const struct http_head *head, const char *bytes) {
    struct http_span target = head->target, path = head->path, query = head->query;
    check(http_is_token(bytes, head->method.length) && target.start == head->method.length + 1);
    check(!memchr(bytes + target.start, ' ', target.length) && bytes[target.start + target.length] == ' ');
    check(path.start >= target.start && path.start + path.length <= target.start + target.length);
    check(!head->has_query || query.start == path.start + path.length + 1);
    check(!head->has_query || query.start + query.length == target.start + target.length);
    check(head->minor == 0 || only_field(head, bytes, "HOST") >= 0);
    check(!memchr(bytes + path.start, 0, path.length) && !memchr(bytes + head->host.start, '/', head->host.length));
    check_span(head, query);
    check_span(head, head->host);
}

static void check_response(const struct http_head *head, const char *bytes) {
    check(head->status >= 100 && head->status <= 999);
    check_span(head, head->reason);
    check(bytes[head->reason.start + head->reason.length] == '\r' &&
          head->reason.start + head->reason.length < head->size);
}

static void check_problem(const struct http_problem *problem) {
    static const int statuses[] = {400, 414, 417, 431, 501, 505};
    int known = 0;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) known |= problem->status == statuses[i];
    check(known && *problem->what);
}

static void parse(const char *bytes, size_t size, const struct http_limits *limits, int is_response) {
    struct http_head *head = malloc(sizeof *head);
    struct http_problem problem;
    int result =
        (is_response ? http_head_parse_response : http_head_parse_request)(head, bytes, size, limits, &problem);
    if (result < 0) {
        check_problem(&problem);
    } else {
        check(head->size == size && head->count <= limits->fields);
        for (int i = 0; i < head->count; i++) check_field(head, bytes, i);
        check_framing(head, bytes);
        check_connection(head, bytes);
        (is_response ? check_response : check_request)(head, bytes);
    }
    free(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct http_limits wide = {8192, 32768, 100}, narrow = {32, 96, 3};
    struct input input = {data, size};
    uint8_t choice = input_byte(&input);
    const struct http_limits *limits = choice & 2 ? &narrow : &wide;
    char *bytes = copy_exactly(input.data, input.size);
    ptrdiff_t found = find(bytes, input.size, limits);
    if (found > 0) {
        char *head = copy_exactly(bytes, (size_t)found);
        parse(head, (size_t)found, limits, choice & 1);
        free(head);
    }
    free(bytes);
    return 0;
}
