/* By recursive descent. Each value that is still to come has a byte at least: containers that claim more values than
 * there are bytes are refused before a table is made for them. */
#include "binding/buffer.h"
#include "binding/element.h"
#include "binding/json.h"
#include "binding/key_spread.h"
#include "binding/msgpack_decoder.h"
#include "bytes/msgpack_write.h"

#include <endian.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TABLE_MAX = 1 << 24 /* entries that a table is made for at once */ };

static const char CUT_OFF[] = "a value that is cut off";

int msgpack_decoder_fail(struct msgpack_decoder *decoder, const char *problem) {
    decoder->problem = problem;
    decoder->code = "protocol";
    return -1;
}

/* The value claims more than there is. */
static int fail_claim(struct msgpack_decoder *decoder, enum msgpack_kind kind, uint32_t size) {
    const char *more = kind >= MSGPACK_ARRAY ? ", more than the bytes that follow" : ", but it ends";
    msgpack_describe(decoder->claim, kind, size, more);
    return msgpack_decoder_fail(decoder, decoder->claim);
}

/* Numbers. */

/* What is in the next `width` bytes, big end first. */
static inline __attribute__((always_inline)) int take_number(struct msgpack_decoder *decoder, int width,
                                                             uint64_t *number) {
    uint64_t big = 0;
    if (msgpack_decoder_left(decoder) < (size_t)width) return msgpack_decoder_fail(decoder, CUT_OFF);
    memcpy((char *)&big + (8 - width), decoder->at, (size_t)width);
    *number = be64toh(big);
    decoder->at += width;
    return 0;
}

static int push_large(struct msgpack_decoder *decoder, uint64_t number) {
    if (decoder->options.gives_floats) return lua_pushnumber(decoder->L, (lua_Number)number), 0;
    snprintf(decoder->claim, sizeof decoder->claim, "the integer %llu, beyond 9223372036854775807",
             (unsigned long long)number);
    msgpack_decoder_fail(decoder, decoder->claim);
    decoder->code = "limit";
    return -1;
}

static inline __attribute__((always_inline)) int decode_unsigned(struct msgpack_decoder *decoder, int width) {
    uint64_t number;
    if (take_number(decoder, width, &number) < 0) return -1;
    if (width == 8 && number > INT64_MAX) return push_large(decoder, number);
    lua_pushinteger(decoder->L, (lua_Integer)number);
    return 0;
}

static inline __attribute__((always_inline)) int decode_signed(struct msgpack_decoder *decoder, int width) {
    uint64_t number;
    if (take_number(decoder, width, &number) < 0) return -1;
    lua_pushinteger(decoder->L, (int64_t)(number << (64 - 8 * width)) >> (64 - 8 * width));
    return 0;
}

static int decode_float(struct msgpack_decoder *decoder) {
    uint64_t number;
    float value;
    if (take_number(decoder, 4, &number) < 0) return -1;
    uint32_t bits = (uint32_t)number;
    memcpy(&value, &bits, sizeof value);
    lua_pushnumber(decoder->L, (lua_Number)value);
    return 0;
}

static int decode_double(struct msgpack_decoder *decoder) {
    uint64_t bits;
    double value;
    if (take_number(decoder, 8, &bits) < 0) return -1;
    memcpy(&value, &bits, sizeof value);
    lua_pushnumber(decoder->L, value);
    return 0;
}

/* Bytes. */

static int decode_text(struct msgpack_decoder *decoder, enum msgpack_kind kind, uint32_t size) {
    if (msgpack_decoder_left(decoder) < size) return fail_claim(decoder, kind, size);
    lua_pushlstring(decoder->L, (const char *)decoder->at, size);
    decoder->at += size;
    return 0;
}

static int decode_binary(struct msgpack_decoder *decoder, uint32_t size) {
    if (!decoder->options.gives_buffers) return decode_text(decoder, MSGPACK_BINARY, size);
    if (msgpack_decoder_left(decoder) < size) return fail_claim(decoder, MSGPACK_BINARY, size);
    struct buffer_object *buffer = buffer_push_new(decoder->L, size, element_find("u8"));
    memcpy(buffer_object_data(buffer), decoder->at, size);
    decoder->at += size;
    return 0;
}

static uint64_t read_big(const unsigned char *at, int width) {
    uint64_t number = 0;
    while (width--) number = number << 8 | *at++;
    return number;
}

/* 32 bits of seconds; or 34 bits behind 30 of nanoseconds; or 64 behind 32. */
static int decode_timestamp(struct msgpack_decoder *decoder, uint32_t size) {
    const unsigned char *at = decoder->at;
    uint64_t seconds, nanoseconds = 0;
    if (size == 4) {
        seconds = read_big(at, 4);
    } else if (size == 8) {
        seconds = read_big(at, 8) & 0x3ffffffff;
        nanoseconds = read_big(at, 8) >> 34;
    } else if (size == 12) {
        nanoseconds = read_big(at, 4);
        seconds = read_big(at + 4, 8);
    } else {
        return msgpack_decoder_fail(decoder, "a timestamp that has neither 4, 8 nor 12 bytes");
    }
    if (nanoseconds > 999999999)
        return msgpack_decoder_fail(decoder, "a timestamp with more than 999999999 nanoseconds");
    msgpack_push_timestamp(decoder->L, (lua_Integer)seconds, (lua_Integer)nanoseconds);
    decoder->at += size;
    return 0;
}

static int decode_extension(struct msgpack_decoder *decoder, uint32_t size) {
    if (msgpack_decoder_left(decoder) < (size_t)size + 1) return fail_claim(decoder, MSGPACK_EXTENSION, size);
    int type = (int8_t)*decoder->at++;
    if (type == MSGPACK_TIMESTAMP_TYPE) return decode_timestamp(decoder, size);
    msgpack_push_ext(decoder->L, type, decoder->at, size);
    decoder->at += size;
    return 0;
}

/* Arrays and maps. */

int msgpack_decoder_open(struct msgpack_decoder *decoder, enum msgpack_kind kind, uint32_t size) {
    if (!decoder->levels) return msgpack_decoder_fail(decoder, "too many levels");
    decoder->levels--;
    decoder->values += kind == MSGPACK_MAP ? 2 * (size_t)size : size;
    if (decoder->values > msgpack_decoder_left(decoder)) return fail_claim(decoder, kind, size);
    luaL_checkstack(decoder->L, MSGPACK_WORKING, "MessagePack");
    return 0;
}

int msgpack_decoder_close(struct msgpack_decoder *decoder) {
    decoder->levels++;
    return 0;
}

static inline int table_size(uint32_t size) {
    return size < TABLE_MAX ? (int)size : TABLE_MAX;
}

static int decode_array(struct msgpack_decoder *decoder, uint32_t size) {
    lua_State *L = decoder->L;
    if (msgpack_decoder_open(decoder, MSGPACK_ARRAY, size) < 0) return -1;
    lua_createtable(L, table_size(size), 0);
    if (!size) json_mark_set(L, JSON_ARRAY);
    for (lua_Integer i = 1; i <= size; i++) {
        decoder->values--;
        if (msgpack_decoder_value(decoder) < 0) return -1;
        lua_rawseti(L, -2, i);
    }
    return msgpack_decoder_close(decoder);
}

/* What a table of Lua can have as a key. */
static int check_key(struct msgpack_decoder *decoder) {
    decoder->place = decoder->at;
    if (decoder->at == decoder->end) return 0; /* as it will be said */
    enum msgpack_kind kind = msgpack_heads[*decoder->at].kind;
    if (*decoder->at == 0xc0) return msgpack_decoder_fail(decoder, "nil as a key");
    if (kind == MSGPACK_ARRAY) return msgpack_decoder_fail(decoder, "an array as a key");
    if (kind == MSGPACK_MAP) return msgpack_decoder_fail(decoder, "a map as a key");
    return kind == MSGPACK_EXTENSION ? msgpack_decoder_fail(decoder, "an extension as a key") : 0;
}

/* Any but a short text: those are by far the most. */
static int decode_other_key(struct msgpack_decoder *decoder) {
    uint8_t gives_buffers = decoder->options.gives_buffers;
    if (check_key(decoder) < 0) return -1;
    decoder->options.gives_buffers = 0;
    if (msgpack_decoder_value(decoder) < 0) return -1;
    decoder->options.gives_buffers = gives_buffers;
    if (lua_type(decoder->L, -1) != LUA_TNUMBER || !isnan(lua_tonumber(decoder->L, -1))) return 0;
    return msgpack_decoder_fail(decoder, "NaN as a key");
}

static inline int decode_key(struct msgpack_decoder *decoder, struct key_spread *spread) {
    if (decoder->at < decoder->end && (*decoder->at & 0xe0) == 0xa0) return msgpack_decoder_value(decoder);
    if (decode_other_key(decoder) < 0) return -1;
    if (spread && key_spread_add(spread, decoder->L, -1) < 0)
        return msgpack_decoder_fail(decoder, "one of too many keys that have the same hash");
    return 0;
}

static int decode_map(struct msgpack_decoder *decoder, uint32_t size) {
    lua_State *L = decoder->L;
    if (msgpack_decoder_open(decoder, MSGPACK_MAP, size) < 0) return -1;
    struct key_spread *spread = size >= KEY_SPREAD_FROM ? key_spread_push(L, (size_t)table_size(size)) : NULL;
    lua_createtable(L, 0, table_size(size));
    for (uint32_t left = size; left; left--) {
        decoder->values--;
        if (decode_key(decoder, spread) < 0) return -1;
        decoder->values--;
        if (msgpack_decoder_value(decoder) < 0) return -1;
        lua_rawset(L, -3);
    }
    if (spread) lua_remove(L, -2);
    return msgpack_decoder_close(decoder);
}

/* The size that follows the first byte. */
int msgpack_decoder_size(struct msgpack_decoder *decoder, int width, uint32_t *size) {
    if (msgpack_decoder_left(decoder) < (size_t)width) return msgpack_decoder_fail(decoder, CUT_OFF);
    *size = (uint32_t)read_big(decoder->at, width);
    decoder->at += width;
    return 0;
}

static int decode_sized(struct msgpack_decoder *decoder, unsigned first) {
    uint32_t size;
    if (msgpack_decoder_size(decoder, msgpack_heads[first].width, &size) < 0) return -1;
    switch (msgpack_heads[first].kind) {
    case MSGPACK_TEXT: return decode_text(decoder, MSGPACK_TEXT, size);
    case MSGPACK_BINARY: return decode_binary(decoder, size);
    case MSGPACK_EXTENSION: return decode_extension(decoder, size);
    case MSGPACK_ARRAY: return decode_array(decoder, size);
    default: return decode_map(decoder, size);
    }
}

int msgpack_decoder_value(struct msgpack_decoder *decoder) {
    lua_State *L = decoder->L;
    decoder->place = decoder->at;
    if (decoder->at == decoder->end) return msgpack_decoder_fail(decoder, "a value expected, but it ends");
    unsigned first = *decoder->at++;
    switch (first) {
    case 0x00 ... 0x7f: return lua_pushinteger(L, first), 0;
    case 0x80 ... 0x8f: return decode_map(decoder, first & 15);
    case 0x90 ... 0x9f: return decode_array(decoder, first & 15);
    case 0xa0 ... 0xbf: return decode_text(decoder, MSGPACK_TEXT, first & 31);
    case 0xc0: return lua_pushlightuserdata(L, NULL), 0;
    case 0xc2 ... 0xc3: return lua_pushboolean(L, first & 1), 0;
    case 0xc4 ... 0xc9: return decode_sized(decoder, first);
    case 0xca: return decode_float(decoder);
    case 0xcb: return decode_double(decoder);
    case 0xcc: return decode_unsigned(decoder, 1);
    case 0xcd: return decode_unsigned(decoder, 2);
    case 0xce: return decode_unsigned(decoder, 4);
    case 0xcf: return decode_unsigned(decoder, 8);
    case 0xd0: return decode_signed(decoder, 1);
    case 0xd1: return decode_signed(decoder, 2);
    case 0xd2: return decode_signed(decoder, 4);
    case 0xd3: return decode_signed(decoder, 8);
    case 0xd4 ... 0xd8: return decode_extension(decoder, 1u << (first - 0xd4));
    case 0xd9 ... 0xdf: return decode_sized(decoder, first);
    case 0xe0 ... 0xff: return lua_pushinteger(L, (int8_t)first), 0;
    default: return msgpack_decoder_fail(decoder, "0xc1, which begins no value");
    }
}
