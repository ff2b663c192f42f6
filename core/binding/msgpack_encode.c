/* Depth first over raw tables. A list of scalars is written while its keys are looked at; where it turns out to be
 * none, it is written once more as a map. Before a table in a list all keys are looked at, so that nothing is written
 * more than twice, however deep it is. */
#include "binding/buffer.h"
#include "binding/encoder.h"
#include "binding/json_keys.h"
#include "binding/msgpack.h"
#include "bytes/msgpack_write.h"
#include "bytes/utf8.h"

#include <assert.h>

enum { NO_ARRAY = 1 };

static_assert((int)ENCODER_DEPTH == MSGPACK_DEPTH, "what is decoded by default can be encoded too");

static int encode_value(struct encoder *encoder, int index);

static inline void append_size(struct encoder *encoder, enum msgpack_kind kind, lua_Integer size) {
    encoder->out->length += msgpack_write_size(encoder_reserve(encoder, MSGPACK_HEAD_MAX), kind, (uint32_t)size);
}

static int append_bytes(struct encoder *encoder, enum msgpack_kind kind, const void *bytes, size_t length) {
    if (length > UINT32_MAX) return encoder_fail(encoder, "a string of 4 GiB and more");
    unsigned char *to = encoder_reserve(encoder, length + MSGPACK_HEAD_MAX);
    size_t head = msgpack_write_bytes_size(to, kind, (uint32_t)length);
    memcpy(to + head, bytes, length);
    encoder->out->length += head + length;
    return 0;
}

/* Scalars. */

static int encode_string(struct encoder *encoder, int index) {
    size_t length;
    const char *bytes = lua_tolstring(encoder->L, index, &length);
    return append_bytes(encoder, utf8_is_text(bytes, length) ? MSGPACK_TEXT : MSGPACK_BINARY, bytes, length);
}

static int encode_number(struct encoder *encoder, int index) {
    lua_State *L = encoder->L;
    unsigned char *to = encoder_reserve(encoder, MSGPACK_HEAD_MAX);
    size_t length = lua_isinteger(L, index) ? msgpack_write_integer(to, lua_tointeger(L, index))
                                            : msgpack_write_float(to, lua_tonumber(L, index));
    encoder->out->length += length;
    return 0;
}

static int encode_light_userdata(struct encoder *encoder, int index) {
    if (lua_touserdata(encoder->L, index)) return encoder_fail(encoder, "a userdata");
    return encoder_append_byte(encoder, 0xc0);
}

static int encode_userdata(struct encoder *encoder, int index) {
    const struct buffer_object *buffer = buffer_peek(encoder->L, index);
    if (!buffer) return encoder_fail(encoder, "a userdata");
    if (!buffer->block->data) return encoder_fail(encoder, "a buffer whose memory has moved to another thread");
    return append_bytes(encoder, MSGPACK_BINARY, buffer_object_data(buffer), buffer_object_bytes(buffer));
}

/* Arrays. The table is on top when its turn comes: what lua_next gives is at table + 1 and table + 2. */

/* Where lua_next does not give the elements in their order, or there are other keys: NO_ARRAY then. */
static int encode_scattered(struct encoder *encoder, int table, size_t start) {
    lua_State *L = encoder->L;
    lua_settop(L, table);
    encoder->out->length = start;
    lua_Integer length = json_keys_count(L, table);
    if (length < 0 || length > UINT32_MAX) return NO_ARRAY;
    append_size(encoder, MSGPACK_ARRAY, length);
    for (lua_Integer index = 1; index <= length; index++) {
        lua_rawgeti(L, table, index);
        if (encode_value(encoder, table + 1) < 0) return encoder_fail_at_index(encoder, index);
        lua_settop(L, table);
    }
    return 0;
}

static int encode_array(struct encoder *encoder, int table, lua_Integer length) {
    lua_State *L = encoder->L;
    size_t start = encoder->out->length;
    lua_Integer index = 0;
    int is_sure = 0;
    append_size(encoder, MSGPACK_ARRAY, length);
    for (lua_pushnil(L); lua_next(L, table); lua_settop(L, table + 1)) {
        if (!lua_isinteger(L, table + 1) || lua_tointeger(L, table + 1) != ++index)
            return encode_scattered(encoder, table, start);
        if (!is_sure && lua_istable(L, table + 2) && !(is_sure = json_keys_follow(L, table, index, length)))
            return encode_scattered(encoder, table, start);
        if (encode_value(encoder, table + 2) < 0) return encoder_fail_at_index(encoder, index);
    }
    return index == length ? 0 : encode_scattered(encoder, table, start);
}

/* Maps. */

static int encode_key(struct encoder *encoder, int key) {
    switch (lua_type(encoder->L, key)) {
    case LUA_TSTRING: return encode_string(encoder, key);
    case LUA_TNUMBER: return encode_number(encoder, key);
    case LUA_TBOOLEAN: return encode_value(encoder, key);
    default: return encoder_fail(encoder, "a table with a key that is no string, number or boolean");
    }
}

static int encode_pairs(struct encoder *encoder, int table, lua_Integer *count) {
    lua_State *L = encoder->L;
    for (lua_pushnil(L); lua_next(L, table); lua_settop(L, table + 1), ++*count) {
        if (encode_key(encoder, table + 1) < 0) return -1;
        if (encode_value(encoder, table + 2) < 0) return encoder_fail_at_key(encoder, table + 1);
    }
    return 0;
}

/* How many pairs there are is known at the end: there is room for the shortest head, which most of the time will do. */
static int encode_map(struct encoder *encoder, int table) {
    struct text *out = encoder->out;
    size_t start = out->length;
    lua_Integer count = 0;
    encoder_append_byte(encoder, 0);
    if (encode_pairs(encoder, table, &count) < 0) return -1;
    if (count > UINT32_MAX) return encoder_fail(encoder, "a table with too many keys");
    unsigned char head[MSGPACK_HEAD_MAX];
    size_t length = msgpack_write_size(head, MSGPACK_MAP, (uint32_t)count);
    char *at = (encoder_reserve(encoder, length), out->bytes + start);
    if (length > 1) memmove(at + length, at + 1, out->length - start - 1);
    memcpy(at, head, length);
    out->length += length - 1;
    return 0;
}

/* Tables. */

static int encode_parts(struct encoder *encoder, int table, enum msgpack_class class) {
    lua_Integer length = (lua_Integer)lua_rawlen(encoder->L, table);
    int result = NO_ARRAY;
    if (length > UINT32_MAX) return encoder_fail(encoder, "a table with too many keys");
    if (class == MSGPACK_ARRAY_MARK || (class != MSGPACK_OBJECT_MARK && length))
        result = encode_array(encoder, table, length);
    if (result != NO_ARRAY) return result;
    lua_settop(encoder->L, table);
    if (class == MSGPACK_ARRAY_MARK) return encoder_fail(encoder, "an array whose keys are not 1..n");
    return encode_map(encoder, table);
}

static int encode_timestamp(struct encoder *encoder, int table) {
    lua_Integer seconds, nanoseconds;
    if (msgpack_read_timestamp(encoder->L, table, &seconds, &nanoseconds) < 0)
        return encoder_fail(encoder, "a timestamp whose fields are no seconds and nanoseconds");
    unsigned char *to = encoder_reserve(encoder, MSGPACK_TIMESTAMP_MAX);
    encoder->out->length += msgpack_write_timestamp(to, seconds, (uint32_t)nanoseconds);
    return 0;
}

static int encode_ext(struct encoder *encoder, int table) {
    int type;
    size_t length;
    const char *data = msgpack_read_ext(encoder->L, table, &type, &length);
    if (!data) return encoder_fail(encoder, "an extension whose fields are no type and data");
    if (length > UINT32_MAX) return encoder_fail(encoder, "a string of 4 GiB and more");
    append_size(encoder, MSGPACK_EXTENSION, (lua_Integer)length);
    encoder_append_byte(encoder, type);
    return encoder_append(encoder, data, length);
}

static int encode_table(struct encoder *encoder, int table) {
    enum msgpack_class class = msgpack_class_of(encoder->L, table);
    if (class == MSGPACK_TIMESTAMP) return encode_timestamp(encoder, table);
    if (class == MSGPACK_EXT) return encode_ext(encoder, table);
    if (encoder_enter(encoder, table) < 0 || encode_parts(encoder, table, class) < 0) return -1;
    lua_settop(encoder->L, table);
    encoder->depth--;
    return 0;
}

static int encode_value(struct encoder *encoder, int index) {
    switch (lua_type(encoder->L, index)) {
    case LUA_TSTRING: return encode_string(encoder, index);
    case LUA_TNUMBER: return encode_number(encoder, index);
    case LUA_TBOOLEAN: return encoder_append_byte(encoder, lua_toboolean(encoder->L, index) ? 0xc3 : 0xc2);
    case LUA_TTABLE: return encode_table(encoder, index);
    case LUA_TNIL: return encoder_append_byte(encoder, 0xc0);
    case LUA_TLIGHTUSERDATA: return encode_light_userdata(encoder, index);
    case LUA_TUSERDATA: return encode_userdata(encoder, index);
    case LUA_TFUNCTION: return encoder_fail(encoder, "a function");
    default: return encoder_fail(encoder, "a thread");
    }
}

int msgpack_encode(lua_State *L, int index, struct text *out) {
    struct encoder encoder;
    int base = encoder_begin(&encoder, L, out, "MessagePack");
    lua_pushvalue(L, index);
    return encoder_end(&encoder, base, encode_value(&encoder, base + 1));
}

/* The elements of a list, which are the values 1..n of the table there; nils are nil. */
static int encode_arguments(struct encoder *encoder, int table) {
    lua_State *L = encoder->L;
    int base = lua_gettop(L);
    lua_Integer count = (lua_Integer)lua_rawlen(L, table);
    lua_pushliteral(L, "n");
    if (lua_rawget(L, table) != LUA_TNIL) count = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1;
    lua_settop(L, base);
    if (count < 0 || count > INT32_MAX) return encoder_fail(encoder, "a table whose n is no count");
    append_size(encoder, MSGPACK_ARRAY, count);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, table, i);
        if (encode_value(encoder, base + 1) < 0) return encoder_fail_at_index(encoder, i);
        lua_settop(L, base);
    }
    return 0;
}

static int encode_list(struct encoder *encoder, int first, int count, int arguments) {
    int base = lua_gettop(encoder->L);
    append_size(encoder, MSGPACK_ARRAY, count + (arguments != 0));
    for (int i = 0; i < count; i++) {
        lua_pushvalue(encoder->L, first + i);
        if (encode_value(encoder, base + 1) < 0) return encoder_fail_at_index(encoder, i + 1);
        lua_settop(encoder->L, base);
    }
    return arguments ? encode_arguments(encoder, arguments) : 0;
}

int msgpack_encode_list(lua_State *L, int first, int count, int arguments, struct text *out) {
    struct encoder encoder;
    int base = encoder_begin(&encoder, L, out, "MessagePack");
    return encoder_end(&encoder, base, encode_list(&encoder, first, count, arguments));
}
