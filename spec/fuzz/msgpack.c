/* Messages: the scanner says the same however they are cut, a plain reader of the format says what is valid, no part of
 * a message is one, and what was decoded is the same after a round trip. The first byte: the depth and the options, the
 * second one how the scanner gets its pieces. */
/* Built with: core/binding/msgpack_[cde]*.c core/binding/key_spread.c core/binding/encoder.c */
/* Built with: core/binding/json_[km]*.c -I/usr/include/lua5.4 -llua5.4 -lm */
#include "binding/msgpack.h"
#include "binding/buffer.h"
#include "binding/element.h"
#include "fuzz.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LIMIT = 4096 /* bytes: more than an input has */ };

static lua_State *L;

/* Buffers, which are not tried here. */
struct buffer_object *buffer_peek(lua_State *state, int index) {
    (void)state, (void)index;
    return NULL;
}

unsigned char *buffer_object_data(const struct buffer_object *buffer) {
    (void)buffer;
    abort();
}

size_t buffer_object_bytes(const struct buffer_object *buffer) {
    (void)buffer;
    abort();
}

struct buffer_object *buffer_push_new(lua_State *state, size_t count, const struct element *element) {
    (void)state, (void)count, (void)element;
    abort();
}

const struct element *element_find(const char *name) {
    (void)name;
    abort();
}

/* The format as its specification tells it. */

struct reader {
    const uint8_t *at, *end;
    int is_whole; /* the message is not cut off, and no byte of it is 0xc1 */
    int is_valid; /* and Lua can have it */
    int depth, deepest;
};

static uint64_t read_number(struct reader *reader, int width) {
    uint64_t number = 0;
    if (reader->end - reader->at < width) reader->is_whole = 0;
    for (; width-- && reader->is_whole; reader->at++) number = number << 8 | *reader->at;
    return number;
}

static void read_value(struct reader *reader, int is_key);

static void read_bytes(struct reader *reader, uint64_t length) {
    if ((uint64_t)(reader->end - reader->at) < length) reader->is_whole = 0;
    else reader->at += length;
}

static void read_values(struct reader *reader, uint64_t count, int is_map) {
    if (++reader->depth > reader->deepest) reader->deepest = reader->depth;
    for (; count-- && reader->is_whole && reader->depth < 2000;) {
        if (is_map) read_value(reader, 1);
        if (reader->is_whole) read_value(reader, 0);
    }
    reader->depth--;
}

static void read_extension(struct reader *reader, uint64_t length) {
    int type = (int8_t)read_number(reader, 1);
    struct reader inner = *reader;
    read_bytes(reader, length);
    if (type != -1 || !reader->is_whole) return;
    uint64_t nanoseconds = length == 8 ? read_number(&inner, 8) >> 34 : length == 12 ? read_number(&inner, 4) : 0;
    reader->is_valid &= (length == 4 || length == 8 || length == 12) && nanoseconds < 1000000000;
}

static void read_float(struct reader *reader, int width, int is_key) {
    uint64_t bits = read_number(reader, width), exponent = width == 4 ? 0x7f800000 : 0x7ff0000000000000;
    uint64_t magnitude = bits & (width == 4 ? 0x7fffffff : 0x7fffffffffffffff);
    if (is_key && magnitude > exponent) reader->is_valid = 0;
}

static void read_sized(struct reader *reader, unsigned first) {
    if (first <= 0xc6) read_bytes(reader, read_number(reader, 1 << (first - 0xc4)));
    else if (first <= 0xc9) read_extension(reader, read_number(reader, 1 << (first - 0xc7)));
    else if (first <= 0xdb) read_bytes(reader, read_number(reader, 1 << (first - 0xd9)));
    else read_values(reader, read_number(reader, first & 1 ? 4 : 2), first >= 0xde);
}

static void read_other(struct reader *reader, unsigned first, int is_key) {
    if (first == 0xca || first == 0xcb) read_float(reader, first == 0xca ? 4 : 8, is_key);
    else if (first == 0xcf) reader->is_valid &= read_number(reader, 8) <= INT64_MAX;
    else if (first >= 0xcc && first <= 0xd3) read_number(reader, 1 << (first & 3));
    else if (first >= 0xd4 && first <= 0xd8) read_extension(reader, 1u << (first - 0xd4));
    else read_sized(reader, first);
}

/* Containers, extensions and nil are no keys. */
static int may_be_key(unsigned first) {
    return !(first >= 0x80 && first <= 0x9f) && first != 0xc0 && !(first >= 0xc7 && first <= 0xc9) &&
           !(first >= 0xd4 && first <= 0xd8) && !(first >= 0xdc && first <= 0xdf);
}

static void read_value(struct reader *reader, int is_key) {
    unsigned first = (unsigned)read_number(reader, 1);
    if (!reader->is_whole) return;
    if (is_key && !may_be_key(first)) reader->is_valid = 0;
    if (first == 0xc1) reader->is_whole = 0;
    else if (first <= 0x7f || first >= 0xe0 || first == 0xc0 || first == 0xc2 || first == 0xc3) return;
    else if (first <= 0x8f) read_values(reader, first & 15, 1);
    else if (first <= 0x9f) read_values(reader, first & 15, 0);
    else if (first <= 0xbf) read_bytes(reader, first & 31);
    else read_other(reader, first, is_key);
}

/* The scanner. */

struct scanned {
    enum message_status status;
    size_t used;
    char problem[MSGPACK_PROBLEM_SIZE];
};

/* In pieces of so many bytes, each in memory of its size. */
static struct scanned scan_in(const uint8_t *bytes, size_t length, size_t piece, uint32_t depth) {
    struct msgpack_scan scan = {.limit = LIMIT, .depth = depth};
    struct scanned result = {MESSAGE_MORE, 0, ""};
    msgpack_scan_begin(&scan);
    while (result.status == MESSAGE_MORE && result.used < length) {
        size_t used, more = piece < length - result.used ? piece : length - result.used;
        uint8_t *copy = memcpy(malloc(more), bytes + result.used, more);
        result.status = msgpack_scan(&scan, copy, more, &used);
        check(result.status == MESSAGE_MORE ? used == more : used <= more);
        result.used += used;
        free(copy);
    }
    if (result.status == MESSAGE_BAD) memcpy(result.problem, scan.problem, sizeof result.problem);
    return result;
}

static struct scanned check_scan(const uint8_t *bytes, size_t length, size_t piece, uint32_t depth) {
    struct scanned whole = scan_in(bytes, length, length ? length : 1, depth),
                   cut = scan_in(bytes, length, piece, depth);
    check(whole.status == cut.status && whole.used == cut.used && strcmp(whole.problem, cut.problem) == 0);
    return whole;
}

/* Decoding. */

/* From memory of its exact size, so that a read beyond it is seen. */
static int decode(const uint8_t *bytes, size_t length, const struct msgpack_options *options) {
    const char *code = "";
    uint8_t *copy = length ? memcpy(malloc(length), bytes, length) : malloc(1);
    int results = msgpack_decode(L, options, copy, length, &code);
    check(results >= 0 || strcmp(code, "protocol") == 0 || strcmp(code, "limit") == 0);
    free(copy);
    return results;
}

static void check_failure(size_t length) {
    int byte = 0;
    check(lua_gettop(L) == 1 && sscanf(lua_tostring(L, 1), "invalid MessagePack at byte %d: ", &byte) == 1);
    check(byte >= 1 && (size_t)byte <= length + 1);
}

static int is_same(int a, int b);

static int has_same_fields(int a, int b) {
    for (lua_pushnil(L); lua_next(L, a); lua_pop(L, 2)) {
        lua_pushvalue(L, -2);
        lua_rawget(L, b);
        if (!is_same(lua_gettop(L) - 1, lua_gettop(L))) return 0;
    }
    return 1;
}

static int field_count(int table) {
    int count = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) count++;
    return count;
}

static int has_same_class(int a, int b) {
    return msgpack_class_of(L, a) == msgpack_class_of(L, b);
}

static int is_same(int a, int b) {
    luaL_checkstack(L, 10, "compare");
    if (lua_type(L, a) != lua_type(L, b)) return 0;
    if (lua_istable(L, a)) return has_same_class(a, b) && field_count(a) == field_count(b) && has_same_fields(a, b);
    if (lua_type(L, a) != LUA_TNUMBER || lua_isinteger(L, a)) return lua_rawequal(L, a, b);
    return lua_tonumber(L, a) == lua_tonumber(L, b) || (isnan(lua_tonumber(L, a)) && isnan(lua_tonumber(L, b)));
}

static void check_round_trip(const struct msgpack_options *options) {
    struct text text = {0};
    check(msgpack_encode(L, 1, &text) == 0 && lua_gettop(L) == 1);
    check(decode((const uint8_t *)text.bytes, text.length, options) == 1 && lua_gettop(L) == 2);
    check(is_same(1, 2));
    text_destroy(&text);
}

/* The same as a list is what it is as a value. */
static void check_list(int count) {
    struct text text = {0};
    const struct msgpack_options whole = {.depth = MSGPACK_DEPTH, .list = MSGPACK_LIST};
    check(msgpack_encode_list(L, 1, count, 0, &text) == 0 && lua_gettop(L) == count);
    check(decode((const uint8_t *)text.bytes, text.length, &whole) == count && lua_gettop(L) == 2 * count);
    for (int i = 1; i <= count; i++) check(is_same(i, count + i));
    text_destroy(&text);
}

static void check_parts(const uint8_t *bytes, size_t length, const struct msgpack_options *options) {
    size_t step = length / 64 + 1;
    for (size_t part = 0; part < length; part += step, lua_settop(L, 0)) check(decode(bytes, part, options) < 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    L = luaL_newstate();
    msgpack_classes_open(L);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    uint8_t choice = input_byte(&input);
    size_t piece = 1 + input_number(&input, 20);
    struct msgpack_options options = {.depth = choice & 1 ? 3 : MSGPACK_DEPTH};
    if (choice & 2) options.list = choice & 4 ? MSGPACK_CALL : MSGPACK_LIST;
    struct reader reader = {input.data, input.data + input.size, 1, 1, 0, 0};
    read_value(&reader, 0);
    size_t length = (size_t)(reader.at - input.data);
    struct scanned scanned = check_scan(input.data, input.size, piece, options.depth);
    int is_deep = reader.deepest > (int)options.depth;
    check((scanned.status == MESSAGE_DONE) <= reader.is_whole &&
          (scanned.status == MESSAGE_DONE || !reader.is_whole || is_deep));
    if (scanned.status == MESSAGE_DONE) check(scanned.used == length);
    if (scanned.status == MESSAGE_BAD) length = input.size;
    int results = decode(input.data, length, &options);
    int is_valid = reader.is_whole && reader.is_valid && !is_deep;
    if (results < 0) {
        check_failure(length);
        check(!is_valid || options.list || strstr(lua_tostring(L, 1), "same hash"));
    } else {
        check(is_valid && results == lua_gettop(L));
        if (options.list == MSGPACK_LIST) check_list(results);
        else if (!options.list && !lua_isnil(L, 1)) check_round_trip(&options);
        lua_settop(L, 0);
        check_parts(input.data, length, &options);
    }
    lua_settop(L, 0);
    return 0;
}
