/* By recursive descent over a message that has been scanned: all of its parts are there. */
#include "binding/buffer.h"
#include "binding/element.h"
#include "binding/json.h"
#include "binding/key_spread.h"
#include "binding/resp.h"

#include <lauxlib.h>
#include <limits.h>

enum { WORKING = 6 }; /* Lua stack slots for each level */

struct decoder {
    lua_State *L;
    const unsigned char *at, *end;
    const struct resp_options *options;
    const char *problem; /* of what is at `at` */
    int levels;          /* that may still open */
};

static int decode_value(struct decoder *decoder);

static int decoder_fail(struct decoder *decoder, const char *problem) {
    decoder->problem = problem;
    return -1;
}

/* The line behind the type at `at`. */
static int take_line(struct decoder *decoder, struct resp_line *line) {
    const unsigned char *at = decoder->at + 1;
    if (resp_line_take(line, &at, decoder->end) < 0) return decoder_fail(decoder, "a line expected");
    decoder->at = at;
    return 0;
}

static int push_string(struct decoder *decoder, const unsigned char *bytes, size_t length) {
    lua_pushlstring(decoder->L, (const char *)bytes, length);
    return 0;
}

static int push_null(struct decoder *decoder) {
    lua_pushlightuserdata(decoder->L, NULL);
    return 0;
}

/* Simple values, which are one line. */

static int decode_integer(struct decoder *decoder, struct resp_line line) {
    int64_t integer;
    if (resp_integer_read(line, &integer) < 0) return decoder_fail(decoder, "an integer of 64 bits expected");
    lua_pushinteger(decoder->L, integer);
    return 0;
}

static int decode_double(struct decoder *decoder, struct resp_line line) {
    double number;
    if (resp_double_read(line, &number) < 0) return decoder_fail(decoder, "a double expected");
    lua_pushnumber(decoder->L, number);
    return 0;
}

static int decode_boolean(struct decoder *decoder, struct resp_line line) {
    if (line.length != 1 || (*line.bytes != 't' && *line.bytes != 'f'))
        return decoder_fail(decoder, "#t or #f expected");
    lua_pushboolean(decoder->L, *line.bytes == 't');
    return 0;
}

static int decode_big(struct decoder *decoder, struct resp_line line) {
    size_t sign = line.length && (*line.bytes == '-' || *line.bytes == '+'), i = sign;
    while (i < line.length && line.bytes[i] >= '0' && line.bytes[i] <= '9') i++;
    if (i == sign || i < line.length) return decoder_fail(decoder, "a number in decimal expected");
    return push_string(decoder, line.bytes, line.length);
}

static int decode_simple(struct decoder *decoder, char type, struct resp_line line) {
    switch (type) {
    case ':': return decode_integer(decoder, line);
    case ',': return decode_double(decoder, line);
    case '#': return decode_boolean(decoder, line);
    case '(': return decode_big(decoder, line);
    case '_': return line.length ? decoder_fail(decoder, "_ with something behind it") : push_null(decoder);
    case '-': return resp_error_push(decoder->L, (const char *)line.bytes, line.length), 0;
    default: return push_string(decoder, line.bytes, line.length);
    }
}

/* Bulk strings. */

static int push_bulk(struct decoder *decoder, const unsigned char *bytes, size_t length) {
    if (!decoder->options->makes_buffers) return push_string(decoder, bytes, length);
    const struct buffer_object *buffer = buffer_push_new(decoder->L, length, element_find("u8"));
    if (length) memcpy(buffer_object_data(buffer), bytes, length);
    return 0;
}

static int decode_bulk(struct decoder *decoder, char type, int64_t length) {
    if (length < 0) return push_null(decoder);
    if (length > decoder->end - decoder->at - 2) return decoder_fail(decoder, "a bulk string is cut off");
    const unsigned char *bytes = decoder->at;
    if (type == '=' && (length < 4 || bytes[3] != ':'))
        return decoder_fail(decoder, "a verbatim string without its kind");
    decoder->at += length + 2;
    if (type == '$') return push_bulk(decoder, bytes, (size_t)length);
    if (type == '!') return resp_error_push(decoder->L, (const char *)bytes, (size_t)length), 0;
    return push_string(decoder, bytes + 4, (size_t)length - 4);
}

/* Aggregates. */

static int decode_elements(struct decoder *decoder, int64_t count) {
    lua_createtable(decoder->L, (int)count, 0);
    for (int64_t i = 1; i <= count; i++) {
        if (decode_value(decoder) < 0) return -1;
        lua_rawseti(decoder->L, -2, i);
    }
    if (!count) json_mark_set(decoder->L, JSON_ARRAY);
    return 0;
}

static int is_nan(lua_State *L, int index) {
    return lua_type(L, index) == LUA_TNUMBER && !lua_rawequal(L, index, index);
}

static int decode_key(struct decoder *decoder, struct key_spread *spread) {
    if (decode_value(decoder) < 0) return -1;
    if (is_nan(decoder->L, -1)) return decoder_fail(decoder, "NaN as a key");
    if (spread && key_spread_add(spread, decoder->L, -1) < 0)
        return decoder_fail(decoder, "numbers as keys that were chosen to be slow");
    return 0;
}

/* The userdata of the spread is below the table meanwhile. */
static int decode_fields(struct decoder *decoder, int64_t count) {
    lua_State *L = decoder->L;
    struct key_spread *spread = count >= KEY_SPREAD_FROM ? key_spread_push(L, (size_t)count) : NULL;
    lua_createtable(L, 0, (int)count);
    int table = lua_gettop(L);
    for (int64_t i = 0; i < count; i++) {
        if (decode_key(decoder, spread) < 0 || decode_value(decoder) < 0) return -1;
        lua_rawset(L, table);
    }
    if (spread) lua_remove(L, table - 1);
    return 0;
}

/* They say something about the value that follows, which nobody has asked for. */
static int pass_attributes(struct decoder *decoder, int64_t count) {
    for (int64_t i = 0; i < 2 * count; i++) {
        if (decode_value(decoder) < 0) return -1;
        lua_pop(decoder->L, 1);
    }
    return decode_value(decoder);
}

/* Each part has three bytes at least, so that what is claimed and not there takes no memory. */
static int decode_parts(struct decoder *decoder, char type, int64_t count) {
    if (count > (decoder->end - decoder->at) / 3 || count >= INT_MAX)
        return decoder_fail(decoder, "an aggregate is cut off");
    if (type == '|') return pass_attributes(decoder, count);
    return type == '%' ? decode_fields(decoder, count) : decode_elements(decoder, count);
}

static int decode_aggregate(struct decoder *decoder, char type, int64_t count) {
    if (count < 0) return push_null(decoder);
    if (!decoder->levels) return decoder_fail(decoder, "too many levels");
    if (!lua_checkstack(decoder->L, WORKING)) return decoder_fail(decoder, "what does not fit the Lua stack");
    decoder->levels--;
    int result = decode_parts(decoder, type, count);
    decoder->levels++;
    return result;
}

static int decode_value(struct decoder *decoder) {
    const unsigned char *from = decoder->at;
    struct resp_line line;
    int64_t length;
    if (from == decoder->end || !*from || !strchr("+-:_,#($=!*%~>|", *from))
        return decoder_fail(decoder, "a value expected");
    char type = (char)*from;
    if (take_line(decoder, &line) < 0) return -1;
    int is_bulk = type == '$' || type == '=' || type == '!';
    if (is_bulk || strchr("*%~>|", type)) {
        if (resp_integer_read(line, &length) < 0) return decoder_fail(decoder, "a length expected");
        return is_bulk ? decode_bulk(decoder, type, length) : decode_aggregate(decoder, type, length);
    }
    if (decode_simple(decoder, type, line) == 0) return 0;
    decoder->at = from;
    return -1;
}

static int is_push(const unsigned char *bytes, size_t length) {
    return length && *bytes == '>';
}

int resp_push_reply(lua_State *L, const struct resp_options *options, const unsigned char *bytes, size_t length,
                    size_t *bad) {
    struct decoder decoder = {.L = L, .at = bytes, .end = bytes + length, .options = options, .levels = options->depth};
    int top = lua_gettop(L);
    luaL_checkstack(L, WORKING, "RESP");
    int failed = decode_value(&decoder) < 0;
    if (!failed && decoder.at < decoder.end) failed = decoder_fail(&decoder, "something behind the message") < 0;
    if (failed) {
        lua_settop(L, top);
        lua_pushstring(L, decoder.problem);
        if (bad) *bad = (size_t)(decoder.at - bytes);
        return -1;
    }
    if (lua_islightuserdata(L, -1)) lua_pop(L, 1), lua_pushnil(L);
    if (!is_push(bytes, length)) return 1;
    lua_pushliteral(L, "push");
    return 2;
}

/* Commands. */

static int push_inline(lua_State *L, const unsigned char *at, const unsigned char *end) {
    int top = lua_gettop(L), result;
    size_t length;
    char *word = lua_newuserdatauv(L, (size_t)(end - at), 0);
    while ((result = resp_word_take(word, &length, &at, end)) > 0) {
        luaL_checkstack(L, WORKING, "RESP");
        lua_pushlstring(L, word, length);
    }
    lua_remove(L, top + 1);
    if (result == 0) return lua_gettop(L) - top;
    lua_pushliteral(L, "unbalanced quotes in request");
    return -1;
}

static int64_t take_length(const unsigned char **at, const unsigned char *end) {
    struct resp_line line;
    int64_t length;
    ++*at;
    return resp_line_take(&line, at, end) < 0 || resp_integer_read(line, &length) < 0 ? -1 : length;
}

int resp_push_command(lua_State *L, const unsigned char *bytes, size_t length) {
    const unsigned char *at = bytes, *end = bytes + length;
    if (length && *bytes != '*') return push_inline(L, at, end);
    int64_t count = take_length(&at, end);
    if (count <= 0) return 0;
    if (count >= INT_MAX || !lua_checkstack(L, (int)count + 1)) {
        lua_pushliteral(L, "more words than fit the Lua stack");
        return -1;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t size = at < end ? take_length(&at, end) : -1;
        if (size < 0 || size > end - at - 2) {
            lua_pushliteral(L, "invalid bulk length");
            return -1;
        }
        lua_pushlstring(L, (const char *)at, (size_t)size);
        at += size + 2;
    }
    return (int)count;
}
