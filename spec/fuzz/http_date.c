/* Dates, against the standard library's in all three forms; ranges and lists of entity tags, made up and as they
 * come. */
#include "bytes/http_date.h"
#include "bytes/http_range.h"
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TEXT_MAX = 512, RANGES_MAX = 4 };

static int64_t input_int64(struct input *input) {
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) number = number << 8 | input_byte(input);
    return (int64_t)number;
}

/* Into memory of just that size, so that a byte too many is seen. */
static int parse_date(const char *text, size_t length, int64_t now, int64_t *seconds) {
    char *copy = memcpy(malloc(length + !length), text, length);
    int result = http_date_parse(copy, length, now, seconds);
    free(copy);
    return result;
}

static void check_form(const char *form, const struct tm *tm, int64_t now, int64_t expected) {
    char text[TEXT_MAX];
    int64_t seconds;
    size_t length = strftime(text, sizeof text, form, tm);
    check(length && parse_date(text, length, now, &seconds) == 0 && seconds == expected);
    text[length] = ' ';
    check(parse_date(text, length + 1, now, &seconds) < 0 && parse_date(text, length - 1, now, &seconds) < 0);
}

/* From the year 0 to 9999, and beyond. */
static void check_written(int64_t seconds, int64_t around) {
    char text[HTTP_DATE_SIZE], expected[TEXT_MAX];
    int64_t within = seconds % 150000000000, now = within + around % (49LL * 365 * 24 * 60 * 60);
    http_date_write(text, seconds);
    check(strlen(text) == HTTP_DATE_SIZE - 1);
    if (within < -62167219200) within = -62167219200;
    http_date_write(text, within);
    struct tm tm;
    time_t time = within;
    gmtime_r(&time, &tm);
    strftime(expected, sizeof expected, "%a, %d %b ", &tm);
    snprintf(expected + strlen(expected), 32, "%04d ", tm.tm_year + 1900);
    strftime(expected + strlen(expected), 32, "%H:%M:%S GMT", &tm);
    check(!strcmp(text, expected));
    check(parse_date(text, strlen(text), 0, &seconds) == 0 && seconds == within);
    if (tm.tm_year < -900) return; /* %Y has no zeros before it */
    check_form("%a, %d %b %Y %H:%M:%S GMT", &tm, 0, within);
    check_form("%a %b %e %H:%M:%S %Y", &tm, 0, within);
    check_form("%A, %d-%b-%y %H:%M:%S GMT", &tm, now, within);
}

static void check_date(const char *text, size_t length, int64_t now) {
    char written[HTTP_DATE_SIZE];
    int64_t seconds, again;
    if (parse_date(text, length, now, &seconds) < 0) return;
    http_date_write(written, seconds);
    check(!memcmp(text, written, 3) || memmem(text, length, ":60", 3)); /* its day of the week, too */
    check(parse_date(written, strlen(written), 0, &again) == 0 && again == seconds);
}

static void check_range(const char *text, size_t length, uint64_t size) {
    struct http_range ranges[RANGES_MAX];
    char *copy = memcpy(malloc(length + !length), text, length);
    int count = http_range_parse(copy, length, size, ranges, RANGES_MAX);
    check(count >= -1 && count <= RANGES_MAX);
    for (int i = 0; i < count; i++) check(ranges[i].length && ranges[i].start < size);
    for (int i = 0; i < count; i++) check(ranges[i].length <= size - ranges[i].start);
    free(copy);
}

/* One range at random: its text is added, and what it should be is returned. */
static struct http_range make_range(struct input *input, uint64_t size, char *text) {
    uint64_t first = input_number(input, 60), last = first + input_number(input, 20);
    char *to = text + strlen(text);
    switch (input_byte(input) % 3) {
    case 0: sprintf(to, "%lu-%lu", first, last); break;
    case 1: sprintf(to, "0%lu-", first), last = size - 1; break;
    default: sprintf(to, "-%lu", last), first = last < size ? size - last : 0, last = last ? size - 1 : 0; break;
    }
    if (last >= size) last = size - 1;
    int is_none = first >= size || (to[0] == '-' && !strcmp(to, "-0"));
    return (struct http_range){first, is_none ? 0 : last - first + 1};
}

static void check_made_ranges(struct input *input) {
    static const char *const commas[] = {",", ", ", " ,\t", ",,", ", ,"};
    struct http_range ranges[RANGES_MAX], expected[256];
    uint64_t size = 1 + input_number(input, 60);
    int count = 0, total = 1 + (int)input_number(input, 7);
    char text[TEXT_MAX] = "bYtes=";
    for (int i = 0; i < total; i++) {
        expected[count] = make_range(input, size, text);
        count += expected[count].length > 0;
        if (i + 1 < total) strcat(text, commas[input_byte(input) % 5]);
    }
    int found = http_range_parse(text, strlen(text), size, ranges, RANGES_MAX);
    check(found == (count > RANGES_MAX ? -1 : count));
    for (int i = 0; i < found; i++)
        check(ranges[i].start == expected[i].start && ranges[i].length == expected[i].length);
}

static void check_made_etags(struct input *input) {
    static const char *const tags[] = {"\"\"", "\"a\"", "\"a,b\"", "W/\"a\"", "W/\"\"", "\"W/\""};
    const char *wanted = tags[input_byte(input) % 6], *opaque = strchr(wanted, '"');
    char text[TEXT_MAX] = "";
    int strong = 0, weak = 0;
    for (size_t left = input_number(input, 8); left; left--) {
        const char *tag = tags[input_byte(input) % 6];
        weak |= !strcmp(strchr(tag, '"'), opaque);
        strong |= !strcmp(tag, wanted) && *tag == '"';
        strcat(text, tag), strcat(text, left > 1 ? ", " : "");
    }
    check(http_etag_list_has(text, strlen(text), wanted, strlen(wanted), 1) == weak);
    check(http_etag_list_has(text, strlen(text), wanted, strlen(wanted), 0) == strong);
    strcat(text, "x");
    check(!http_etag_list_has(text, strlen(text), wanted, strlen(wanted), 1));
    check(http_etag_list_has("*", 1, wanted, strlen(wanted), 0));
}

/* What a list has, it has as its text says. */
static void check_etags(const char *text, size_t length) {
    char *copy = memcpy(malloc(length + !length), text, length);
    size_t half = length / 2, rest = length - half;
    if (http_etag_list_has(copy, half, copy + half, rest, 1) && !(half == 1 && *copy == '*')) {
        const char *opaque = memchr(copy + half, '"', rest);
        check(opaque && memmem(copy, half, opaque, (size_t)(copy + length - opaque)));
    }
    check(!http_etag_list_has(copy, half, copy + half, rest, 0) ||
          http_etag_list_has(copy, half, copy + half, rest, 1));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    int64_t first = input_int64(&input), second = input_int64(&input);
    const char *text = (const char *)input.data;
    check_written(first, second);
    check_date(text, input.size, first % 150000000000);
    check_range(text, input.size, (uint64_t)first);
    check_range(text, input.size, 100);
    check_etags(text, input.size);
    check_made_ranges(&input);
    check_made_etags(&input);
    return 0;
}
