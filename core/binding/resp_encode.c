/* Depth first over raw tables, as json_encode.c goes. */
#include "binding/buffer.h"
#include "binding/encoder.h"
#include "binding/json.h"
#include "binding/json_keys.h"
#include "binding/resp.h"
#include "bytes/json_number.h"

#include <assert.h>
#include <math.h>

static_assert((int)ENCODER_DEPTH == RESP_DEPTH, "what is decoded by default can be encoded too");

struct resp_encoder {
    struct encoder encoder;
    int version;
};

static int encode_value(struct encoder *encoder, int index);

static int version_of(const struct encoder *encoder) {
    return ((const struct resp_encoder *)encoder)->version;
}

static int append_header(struct encoder *encoder, char type, lua_Integer number) {
    encoder->out->length += resp_header_write(encoder_reserve(encoder, RESP_HEADER_MAX), type, number);
    return 0;
}

static int append_bulk(struct encoder *encoder, const void *bytes, size_t length) {
    if (resp_bulk_append(encoder->out, bytes, length) < 0) return luaL_error(encoder->L, "not enough memory");
    return 0;
}

/* Scalars. */

static int encode_string(struct encoder *encoder, int index) {
    size_t length;
    const char *bytes = lua_tolstring(encoder->L, index, &length);
    return append_bulk(encoder, bytes, length);
}

static size_t write_float(char *to, double number) {
    if (isnan(number)) return (size_t)(stpcpy(to, "nan") - to);
    if (isinf(number)) return (size_t)(stpcpy(to, number < 0 ? "-inf" : "inf") - to);
    if (number == (double)(int64_t)(fabs(number) < 1e15 ? number : 0.5))
        return json_number_write_integer(to, (int64_t)number); /* 3, not 3.0 */
    return json_number_write_float(to, number);
}

static int encode_number(struct encoder *encoder, int index) {
    if (lua_isinteger(encoder->L, index)) return append_header(encoder, ':', lua_tointeger(encoder->L, index));
    char text[JSON_NUMBER_SIZE + 3] = ",";
    size_t length = 1 + write_float(text + 1, lua_tonumber(encoder->L, index));
    if (version_of(encoder) < 3) return append_bulk(encoder, text + 1, length - 1);
    memcpy(text + length, "\r\n", 2);
    return encoder_append(encoder, text, length + 2);
}

static int encode_boolean(struct encoder *encoder, int index) {
    int is_true = lua_toboolean(encoder->L, index);
    if (version_of(encoder) < 3) return append_header(encoder, ':', is_true);
    return encoder_append(encoder, is_true ? "#t\r\n" : "#f\r\n", 4);
}

static int encode_null(struct encoder *encoder) {
    return version_of(encoder) < 3 ? encoder_append(encoder, "$-1\r\n", 5) : encoder_append(encoder, "_\r\n", 3);
}

static int encode_userdata(struct encoder *encoder, int index) {
    const struct buffer_object *buffer = buffer_test(encoder->L, index);
    if (!buffer) return encoder_fail(encoder, "a userdata");
    return append_bulk(encoder, buffer_object_data(buffer), buffer_object_bytes(buffer));
}

/* Tables. The table is on top when its turn comes: what lua_next gives is at table + 1 and table + 2. */

static int encode_elements(struct encoder *encoder, int table, char type, lua_Integer count) {
    lua_State *L = encoder->L;
    append_header(encoder, type, count);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, table, i);
        if (encode_value(encoder, table + 1) < 0) return encoder_fail_at_index(encoder, i);
        lua_settop(L, table);
    }
    return 0;
}

static lua_Integer count_fields(lua_State *L, int table) {
    lua_Integer count = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) count++;
    return count;
}

static int encode_fields(struct encoder *encoder, int table) {
    lua_State *L = encoder->L;
    lua_Integer count = count_fields(L, table), left = count;
    append_header(encoder, version_of(encoder) < 3 ? '*' : '%', version_of(encoder) < 3 ? 2 * count : count);
    for (lua_pushnil(L); lua_next(L, table); lua_settop(L, table + 1), left--) {
        lua_pushvalue(L, table + 1);
        if (encode_value(encoder, table + 3) < 0) return encoder_fail(encoder, "a key of this kind");
        lua_settop(L, table + 2);
        if (encode_value(encoder, table + 2) < 0) return encoder_fail_at_key(encoder, table + 1);
    }
    return left ? encoder_fail(encoder, "a table that a finalizer has changed meanwhile") : 0;
}

static int encode_parts(struct encoder *encoder, int table, enum resp_mark mark) {
    lua_State *L = encoder->L;
    enum json_mark json = json_mark_of(L, table);
    lua_Integer count = json == JSON_OBJECT ? -1 : json_keys_count(L, table);
    lua_settop(L, table);
    int is_sequence = mark != RESP_UNMARKED || json == JSON_ARRAY;
    if (is_sequence && count < 0) return encoder_fail(encoder, "an array whose keys are not 1..n");
    if (count <= 0 && !is_sequence) return encode_fields(encoder, table);
    char type = mark == RESP_PUSH ? '>' : mark == RESP_SET ? '~' : '*';
    return encode_elements(encoder, table, version_of(encoder) < 3 ? '*' : type, count);
}

static int encode_nested(struct encoder *encoder, int table, enum resp_mark mark) {
    if (encoder_enter(encoder, table) < 0 || encode_parts(encoder, table, mark) < 0) return -1;
    encoder->depth--;
    return 0;
}

/* As Redis does, line ends become spaces in an error; a simple string's author has to know better. */
static int encode_line(struct encoder *encoder, int table, char type) {
    size_t length;
    lua_pushliteral(encoder->L, "message");
    if (lua_rawget(encoder->L, table) != LUA_TSTRING) return encoder_fail(encoder, "a text that is none");
    const char *bytes = lua_tolstring(encoder->L, -1, &length);
    char *to = encoder_reserve(encoder, length + 3);
    *to++ = type;
    for (size_t i = 0; i < length; i++) {
        int is_end = bytes[i] == '\r' || bytes[i] == '\n';
        if (is_end && type == '+') return encoder_fail(encoder, "a simple string with a line end");
        *to++ = is_end ? ' ' : bytes[i];
    }
    memcpy(to, "\r\n", 2);
    encoder->out->length += length + 3;
    lua_pop(encoder->L, 1);
    return 0;
}

static int encode_null_array(struct encoder *encoder) {
    return version_of(encoder) < 3 ? encoder_append(encoder, "*-1\r\n", 5) : encoder_append(encoder, "_\r\n", 3);
}

static int encode_table(struct encoder *encoder, int table) {
    enum resp_mark mark = resp_mark_of(encoder->L, table);
    switch (mark) {
    case RESP_SIMPLE: return encode_line(encoder, table, '+');
    case RESP_ERROR: return encode_line(encoder, table, '-');
    case RESP_NULL_ARRAY: return encode_null_array(encoder);
    default: return encode_nested(encoder, table, mark);
    }
}

static int encode_value(struct encoder *encoder, int index) {
    switch (lua_type(encoder->L, index)) {
    case LUA_TSTRING: return encode_string(encoder, index);
    case LUA_TNUMBER: return encode_number(encoder, index);
    case LUA_TBOOLEAN: return encode_boolean(encoder, index);
    case LUA_TTABLE: return encode_table(encoder, index);
    case LUA_TNIL: return encode_null(encoder);
    case LUA_TFUNCTION: return encoder_fail(encoder, "a function");
    case LUA_TTHREAD: return encoder_fail(encoder, "a thread");
    case LUA_TLIGHTUSERDATA:
        return lua_touserdata(encoder->L, index) ? encoder_fail(encoder, "a userdata") : encode_null(encoder);
    default: return encode_userdata(encoder, index);
    }
}

int resp_encode(lua_State *L, int index, int version, struct text *out) {
    struct resp_encoder resp;
    struct encoder *encoder = (struct encoder *)&resp;
    resp.version = version;
    int base = encoder_begin(encoder, L, out, "RESP");
    lua_pushvalue(L, index);
    return encoder_end(encoder, base, encode_value(encoder, base + 1));
}
