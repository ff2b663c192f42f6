/* Depth first over raw tables. When a value cannot be encoded, the way back up puts its path together. */
#include "binding/encoder.h"
#include "binding/json.h"
#include "binding/json_keys.h"
#include "bytes/json_number.h"
#include "bytes/json_scan.h"

#include <assert.h>
#include <math.h>

static const char BAD_KEYS[] = "a table whose keys are neither 1..n nor all strings";

static_assert((int)ENCODER_DEPTH == JSON_DEPTH, "what is decoded by default can be encoded too");

struct json_encoder {
    struct encoder encoder;
    struct json_style style;
    size_t indent_length;
};

static int encode_value(struct encoder *encoder, int index);

static const struct json_encoder *json_of(const struct encoder *encoder) {
    return (const struct json_encoder *)encoder;
}

static void append_line(struct encoder *encoder) {
    const struct json_encoder *json = json_of(encoder);
    if (!json->style.indent) return;
    encoder_append_byte(encoder, '\n');
    for (int i = 0; i < encoder->depth; i++) encoder_append(encoder, json->style.indent, json->indent_length);
}

/* Strings and numbers. */

static void append_escape(struct encoder *encoder, unsigned char byte) {
    static const char letters[256] = {
        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    static const char digits[] = "0123456789abcdef";
    char escape[] = {'\\', letters[byte], '0', '0', digits[byte >> 4], digits[byte & 15]};
    size_t length = letters[byte] ? 2 : 6;
    if (!letters[byte]) escape[1] = 'u';
    encoder_append(encoder, escape, length);
}

static int encode_string(struct encoder *encoder, int index) {
    size_t length;
    const unsigned char *from = (const void *)lua_tolstring(encoder->L, index, &length);
    const unsigned char *at = from, *end = from + length;
    encoder_reserve(encoder, length + 2);
    encoder_append_byte(encoder, '"');
    while ((at = json_scan_text(at, end)) < end) {
        if (*at >= 0x80) return encoder_fail(encoder, "a string that is not UTF-8");
        encoder_append(encoder, from, (size_t)(at - from));
        append_escape(encoder, *at++);
        from = at;
    }
    encoder_append(encoder, from, (size_t)(end - from));
    return encoder_append_byte(encoder, '"');
}

static int encode_number(struct encoder *encoder, int index) {
    lua_State *L = encoder->L;
    char *to = encoder_reserve(encoder, JSON_NUMBER_SIZE);
    if (lua_isinteger(L, index)) {
        encoder->out->length += json_number_write_integer(to, lua_tointeger(L, index));
        return 0;
    }
    lua_Number number = lua_tonumber(L, index);
    if (!isfinite(number)) return encoder_fail(encoder, isnan(number) ? "NaN" : "an infinity");
    encoder->out->length += json_number_write_float(to, number);
    return 0;
}

/* Arrays. The table is on top when its turn comes: what lua_next gives is at table + 1 and table + 2. */

static inline int encode_element(struct encoder *encoder, int value, lua_Integer index) {
    if (index > 1) encoder_append_byte(encoder, ',');
    append_line(encoder);
    return encode_value(encoder, value) < 0 ? encoder_fail_at_index(encoder, index) : 0;
}

/* The elements from `index` on, where lua_next does not give them in their order. */
static int encode_elements(struct encoder *encoder, int table, lua_Integer index) {
    lua_State *L = encoder->L;
    lua_settop(L, table);
    lua_Integer length = json_keys_count(L, table);
    if (length < 0) return encoder_fail(encoder, BAD_KEYS);
    for (; index <= length; index++) {
        lua_rawgeti(L, table, index);
        if (encode_element(encoder, table + 1, index) < 0) return -1;
        lua_settop(L, table);
    }
    return 0;
}

/* lua_next has given the first. */
static int encode_array(struct encoder *encoder, int table) {
    lua_State *L = encoder->L;
    lua_Integer index = 1;
    do {
        if (!lua_isinteger(L, table + 1) || lua_tointeger(L, table + 1) != index)
            return encode_elements(encoder, table, index);
        if (encode_element(encoder, table + 2, index++) < 0) return -1;
        lua_settop(L, table + 1);
    } while (lua_next(L, table));
    return 0;
}

/* Objects. */

static int encode_field(struct encoder *encoder, int key, int is_first) {
    if (lua_type(encoder->L, key) != LUA_TSTRING) return encoder_fail(encoder, BAD_KEYS);
    if (!is_first) encoder_append_byte(encoder, ',');
    append_line(encoder);
    if (encode_string(encoder, key) < 0) return encoder_fail(encoder, "a key that is not UTF-8");
    encoder_append(encoder, ": ", json_of(encoder)->style.indent ? 2 : 1);
    return encode_value(encoder, key + 1) < 0 ? encoder_fail_at_key(encoder, key) : 0;
}

/* lua_next has given the first. */
static int encode_object(struct encoder *encoder, int table) {
    lua_State *L = encoder->L;
    int is_first = 1;
    do {
        if (encode_field(encoder, table + 1, is_first) < 0) return -1;
        is_first = 0;
        lua_settop(L, table + 1);
    } while (lua_next(L, table));
    return 0;
}

static int encode_sorted_object(struct encoder *encoder, int table) {
    lua_State *L = encoder->L;
    lua_settop(L, table);
    lua_Integer count = json_keys_push_sorted(L, table);
    if (count < 0) return encoder_fail(encoder, BAD_KEYS);
    const struct json_key *keys = lua_touserdata(L, table + 2);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, table + 1, keys[i].index);
        lua_pushvalue(L, -1);
        lua_rawget(L, table);
        if (encode_field(encoder, table + 3, i == 0) < 0) return -1;
        lua_settop(L, table + 2);
    }
    return 0;
}

/* Tables. */

/* lua_next has given the first key and value. */
static int encode_parts(struct encoder *encoder, int table, enum json_mark mark) {
    lua_State *L = encoder->L;
    int is_array = mark == JSON_ARRAY || (mark == JSON_UNMARKED && lua_type(L, table + 1) == LUA_TNUMBER);
    encoder_append_byte(encoder, is_array ? '[' : '{');
    int (*encode)(struct encoder *, int) = encode_object;
    if (is_array) encode = encode_array;
    else if (json_of(encoder)->style.sorts_keys) encode = encode_sorted_object;
    if (encode(encoder, table) < 0) return -1;
    lua_settop(L, table);
    encoder->depth--;
    append_line(encoder);
    return encoder_append_byte(encoder, is_array ? ']' : '}');
}

static int encode_table(struct encoder *encoder, int table) {
    lua_State *L = encoder->L;
    if (encoder_enter(encoder, table) < 0) return -1;
    enum json_mark mark = json_mark_of(L, table);
    if (mark == JSON_OBJECT && json_keys_stringify(L, table) < 0)
        return encoder_fail(encoder, "a table with the same key twice");
    lua_pushnil(L);
    if (lua_next(L, table)) return encode_parts(encoder, table, mark);
    encoder->depth--;
    return encoder_append(encoder, mark == JSON_ARRAY ? "[]" : "{}", 2);
}

static int encode_boolean(struct encoder *encoder, int index) {
    return lua_toboolean(encoder->L, index) ? encoder_append(encoder, "true", 4) : encoder_append(encoder, "false", 5);
}

static int encode_value(struct encoder *encoder, int index) {
    switch (lua_type(encoder->L, index)) {
    case LUA_TSTRING: return encode_string(encoder, index);
    case LUA_TNUMBER: return encode_number(encoder, index);
    case LUA_TBOOLEAN: return encode_boolean(encoder, index);
    case LUA_TTABLE: return encode_table(encoder, index);
    case LUA_TNIL: return encoder_fail(encoder, "nil");
    case LUA_TFUNCTION: return encoder_fail(encoder, "a function");
    case LUA_TTHREAD: return encoder_fail(encoder, "a thread");
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(encoder->L, index)) return encoder_append(encoder, "null", 4);
    }
    return encoder_fail(encoder, "a userdata");
}

int json_encode_styled(lua_State *L, int index, struct text *out, const struct json_style *style) {
    struct json_encoder json;
    struct encoder *encoder = (struct encoder *)&json;
    json.style = *style;
    json.indent_length = style->indent ? strlen(style->indent) : 0;
    int base = encoder_begin(encoder, L, out, "JSON");
    lua_pushvalue(L, index);
    return encoder_end(encoder, base, encode_value(encoder, base + 1));
}

int json_encode(lua_State *L, int index, struct text *out) {
    return json_encode_styled(L, index, out, &(struct json_style){0});
}
