/* Documents, decoded and encoded. A plain recogniser of the grammar says what is valid; what was decoded is the same
 * after a round trip, whatever the style; the first byte chooses the style and the depth that is allowed. */
/* Built with: core/binding/json_*.c core/binding/encoder.c -I/usr/include/lua5.4 -llua5.4 */
#include "binding/json.h"
#include "bytes/utf8.h"
#include "fuzz.h"

#include <ctype.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static lua_State *L;

struct grammar {
    const char *at; /* the text ends with a zero */
    int depth, is_valid;
};

static void read_value(struct grammar *grammar);

/* What is not valid ends here, so that nothing goes on behind the end. */
static int expect(struct grammar *grammar, int holds) {
    if (!holds) grammar->at = "";
    return grammar->is_valid &= holds;
}

static void skip_space(struct grammar *grammar) {
    grammar->at += strspn(grammar->at, " \t\r\n");
}

static int take(struct grammar *grammar, const char *word) {
    int has = strncmp(grammar->at, word, strlen(word)) == 0;
    grammar->at += has ? strlen(word) : 0;
    return has;
}

static void read_digits(struct grammar *grammar) {
    size_t count = strspn(grammar->at, "0123456789");
    expect(grammar, count > 0);
    grammar->at += count;
}

static void read_number(struct grammar *grammar) {
    const char *start = grammar->at;
    take(grammar, "-");
    if (!take(grammar, "0")) read_digits(grammar);
    if (take(grammar, ".")) read_digits(grammar);
    if (take(grammar, "e") || take(grammar, "E")) {
        if (!take(grammar, "+")) take(grammar, "-");
        read_digits(grammar);
    }
    expect(grammar, isfinite(strtod(start, NULL)));
}

static unsigned read_unit(struct grammar *grammar) {
    unsigned unit = 0;
    for (int i = 0; i < 4 && expect(grammar, isxdigit((unsigned char)*grammar->at) != 0); i++) {
        char digit[] = {*grammar->at++, 0};
        unit = unit << 4 | (unsigned)strtoul(digit, NULL, 16);
    }
    return unit;
}

static void read_escape(struct grammar *grammar) {
    if (!take(grammar, "u")) {
        if (expect(grammar, *grammar->at && strchr("\"\\/bfnrt", *grammar->at))) grammar->at++;
        return;
    }
    unsigned unit = read_unit(grammar);
    if (unit < 0xd800 || unit > 0xdfff) return;
    expect(grammar, unit < 0xdc00 && take(grammar, "\\u"));
    unit = read_unit(grammar);
    expect(grammar, unit >= 0xdc00 && unit <= 0xdfff);
}

static void read_string(struct grammar *grammar) {
    expect(grammar, take(grammar, "\""));
    while (*grammar->at != '"' && expect(grammar, (unsigned char)*grammar->at >= ' '))
        if (*grammar->at++ == '\\') read_escape(grammar);
    grammar->at += grammar->is_valid;
}

static void read_parts(struct grammar *grammar, const char *end, int has_keys) {
    expect(grammar, grammar->depth-- > 0);
    skip_space(grammar);
    int more = !take(grammar, end);
    while (more && grammar->is_valid) {
        if (has_keys) {
            skip_space(grammar);
            read_string(grammar);
            skip_space(grammar);
            expect(grammar, take(grammar, ":"));
        }
        read_value(grammar);
        more = take(grammar, ",");
        expect(grammar, more || take(grammar, end));
    }
    grammar->depth++;
}

static void read_value(struct grammar *grammar) {
    if (!grammar->is_valid) return;
    skip_space(grammar);
    if (*grammar->at == '"') read_string(grammar);
    else if (take(grammar, "[")) read_parts(grammar, "]", 0);
    else if (take(grammar, "{")) read_parts(grammar, "}", 1);
    else if (!take(grammar, "true") && !take(grammar, "false") && !take(grammar, "null")) read_number(grammar);
    skip_space(grammar);
}

static int is_valid(const char *text, size_t length, int depth) {
    struct grammar grammar = {text, depth, 1};
    struct utf8 utf8 = {0};
    int is_text = utf8_check(&utf8, text, length) == 0 && utf8_is_complete(&utf8);
    read_value(&grammar);
    return is_text && grammar.is_valid && grammar.at == text + length;
}

/* From memory of its exact size, so that a read beyond it is seen. */
static int decode(const char *text, size_t length, int depth) {
    char *copy = memcpy(malloc(length + !length), text, length);
    int results = json_decode(L, copy, length, depth);
    free(copy);
    return results;
}

static void check_failure(size_t length) {
    check(lua_gettop(L) == 3 && lua_isnil(L, 1) && strcmp(lua_tostring(L, 3), "protocol") == 0);
    int byte = 0;
    check(sscanf(lua_tostring(L, 2), "invalid JSON at byte %d: ", &byte) == 1);
    check(byte >= 1 && (size_t)byte <= length + 1);
}

static void check_round_trip(const struct json_style *style) {
    struct text first = {0}, second = {0};
    check(json_encode_styled(L, 1, &first, style) == 0 && lua_gettop(L) == 1);
    check(decode(first.bytes, first.length, JSON_DEPTH) == 1 && lua_gettop(L) == 2);
    check(json_encode_styled(L, 2, &second, style) == 0);
    check(first.length == second.length && memcmp(first.bytes, second.bytes, first.length) == 0);
    text_destroy(&first);
    text_destroy(&second);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    L = luaL_newstate();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    uint8_t choice = input_byte(&input);
    struct json_style style = {.indent = choice & 1 ? " " : NULL, .sorts_keys = 1};
    int depth = choice & 2 ? 3 : JSON_DEPTH;
    char *text = calloc(input.size + 1, 1);
    memcpy(text, input.data, input.size);
    int results = decode(text, input.size, depth);
    check((results == 1) == is_valid(text, input.size, depth));
    if (results == 1) check_round_trip(&style);
    else check_failure(input.size);
    free(text);
    lua_settop(L, 0);
    return 0;
}
