/* Percent-encoding, forms and cookies. What was encoded is decoded again, made-up forms and Cookie fields are read as
 * they were made, and of any other input the pieces lie where they should. */
#include "bytes/percent.h"
#include "bytes/cookie.h"
#include "fuzz.h"

#include <ctype.h>
#include <string.h>

enum { PAIRS_MAX = 8, BYTES_MAX = 12 };

struct bytes {
    uint8_t bytes[BYTES_MAX];
    size_t length;
};

struct made {
    struct bytes name, value;
};

static size_t decode_plainly(char *to, const char *from, size_t length, int plus_is_space) {
    size_t count = 0;
    for (size_t i = 0; i < length; count++) {
        int is_escape =
            from[i] == '%' && length - i >= 3 && isxdigit((uint8_t)from[i + 1]) && isxdigit((uint8_t)from[i + 2]);
        char digits[3] = {from[i + is_escape], is_escape ? from[i + 2] : 0, 0};
        to[count] = is_escape ? (char)strtol(digits, NULL, 16) : plus_is_space && from[i] == '+' ? ' ' : from[i];
        i += is_escape ? 3 : 1;
    }
    return count;
}

static void check_decode(const char *bytes, size_t size, int plus_is_space) {
    char *expected = malloc(size + 1), *decoded = malloc(size + 1),
         *in_place = memcpy(malloc(size + !size), bytes, size);
    size_t length = decode_plainly(expected, bytes, size, plus_is_space);
    check(percent_decode(decoded, bytes, size, plus_is_space) == length && !memcmp(decoded, expected, length));
    check(percent_decode(in_place, in_place, size, plus_is_space) == length && !memcmp(in_place, expected, length));
    free(expected), free(decoded), free(in_place);
}

static void check_encode(const char *bytes, size_t size) {
    struct text text = {0};
    check(percent_encode(&text, "~", 1) == 0 && percent_encode(&text, bytes, size) == 0);
    check(text.length >= size + 1 && text.length <= 3 * size + 1 && *text.bytes == '~');
    for (size_t i = 0; i < text.length; i++)
        check(isalnum((uint8_t)text.bytes[i]) || memchr("-._~%", text.bytes[i], 5));
    size_t length = percent_decode(text.bytes, text.bytes, text.length, 1);
    check(length == size + 1 && (!size || !memcmp(text.bytes + 1, bytes, size)));
    text_destroy(&text);
}

static void check_form(const char *bytes, size_t size) {
    struct form_pair pair;
    const char *at = bytes;
    for (size_t position = 0; form_next(bytes, size, &position, &pair);) {
        for (; at < pair.name.bytes; at++) check(*at == '&');
        at += pair.name.length;
        check(!memchr(pair.name.bytes, '=', pair.name.length) && !memchr(pair.name.bytes, '&', pair.name.length));
        if (pair.value.bytes > at) check(*at++ == '=');
        check(pair.value.bytes == at && !memchr(at, '&', pair.value.length));
        check(at > pair.name.bytes || pair.value.length); /* no pair is empty */
        at += pair.value.length;
    }
    for (; at < bytes + size; at++) check(*at == '&');
}

static void check_cookies(const char *bytes, size_t size) {
    struct cookie cookie;
    const char *at = bytes;
    for (size_t position = 0; cookie_next(bytes, size, &position, &cookie);) {
        struct span name = cookie.name, value = cookie.value;
        check(name.bytes >= at && name.length && !memchr(name.bytes, '=', name.length));
        check(!memchr(name.bytes, ';', name.length) && name.bytes[0] != ' ' && name.bytes[name.length - 1] != ' ');
        check(value.bytes > name.bytes + name.length && !memchr(value.bytes, ';', value.length));
        at = value.bytes + value.length;
        check(at <= bytes + size && position <= size);
    }
}

static struct bytes make_bytes(struct input *input, size_t least) {
    struct bytes made = {.length = least + input_number(input, BYTES_MAX - least)};
    for (size_t i = 0; i < made.length; i++) made.bytes[i] = input_byte(input);
    return made;
}

static void add(struct text *text, const char *bytes) {
    check(text_append(text, bytes, strlen(bytes)) == 0);
}

static void add_encoded(struct text *text, const struct bytes *bytes) {
    check(percent_encode(text, (const char *)bytes->bytes, bytes->length) == 0);
}

static void check_span(struct span span, const struct bytes *expected) {
    char decoded[3 * BYTES_MAX];
    check(span.length <= sizeof decoded);
    size_t length = percent_decode(decoded, span.bytes, span.length, 1);
    check(length == expected->length && !memcmp(decoded, expected->bytes, length));
}

static size_t make_pairs(struct made *made, struct input *input) {
    size_t count = input_number(input, PAIRS_MAX);
    for (size_t i = 0; i < count; i++) made[i] = (struct made){make_bytes(input, 1), make_bytes(input, 0)};
    return count;
}

static void check_made_form(const struct made *made, size_t count, struct input *input) {
    struct text text = {0};
    struct form_pair pair;
    size_t position = 0;
    for (size_t i = 0; i < count; i++) {
        add_encoded(&text, &made[i].name);
        if (made[i].value.length || input_byte(input) & 1) add(&text, "=");
        add_encoded(&text, &made[i].value);
        add(&text, i + 1 == count ? "" : input_byte(input) & 1 ? "&&" : "&");
    }
    for (size_t i = 0; i < count; i++) {
        check(form_next(text.bytes, text.length, &position, &pair));
        check_span(pair.name, &made[i].name);
        check_span(pair.value, &made[i].value);
    }
    check(!form_next(text.bytes, text.length, &position, &pair));
    text_destroy(&text);
}

static void check_made_cookies(const struct made *made, size_t count, struct input *input) {
    struct text text = {0};
    struct cookie cookie;
    size_t position = 0;
    for (size_t i = 0; i < count; i++) {
        const char *quote = input_byte(input) & 1 ? "\"" : "";
        add_encoded(&text, &made[i].name);
        add(&text, "="), add(&text, quote);
        add_encoded(&text, &made[i].value);
        add(&text, quote), add(&text, input_byte(input) & 1 ? "; " : ";");
    }
    for (size_t i = 0; i < count; i++) {
        check(cookie_next(text.bytes, text.length, &position, &cookie));
        check_span(cookie.name, &made[i].name);
        check_span(cookie.value, &made[i].value);
    }
    check(!cookie_next(text.bytes, text.length, &position, &cookie));
    text_destroy(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    struct made made[PAIRS_MAX];
    char *bytes = memcpy(malloc(size + !size), data, size); /* of just that size, so that a byte too many is seen */
    check_decode(bytes, size, 0);
    check_decode(bytes, size, 1);
    check_encode(bytes, size);
    check_form(bytes, size);
    check_cookies(bytes, size);
    free(bytes);
    size_t count = make_pairs(made, &input);
    check_made_form(made, count, &input);
    check_made_cookies(made, count, &input);
    return 0;
}
