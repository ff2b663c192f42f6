/* Decoding: what comes may have been cut or changed on its way. */
#include "binding/buffer.h"
#include "binding/element.h"
#include "binding/json.h"
#include "binding/modules.h"
#include "binding/serialise_private.h"

#include <lauxlib.h>
#include <limits.h>
#include <string.h>

int decoder_fail(struct decoder *decoder, const char *problem) {
    if (!decoder->problem) decoder->problem = problem;
    return -1;
}

void decoder_register(struct decoder *decoder) {
    lua_pushvalue(decoder->L, -1);
    lua_rawseti(decoder->L, decoder->seen, (lua_Integer)++decoder->count);
}

int decode_number(struct decoder *decoder, uint64_t *number) {
    return unpack_size(&decoder->from, number) < 0 ? decoder_fail(decoder, "a number expected") : 0;
}

static int decode_integer(struct decoder *decoder) {
    lua_Integer integer;
    if (unpack_fixed(&decoder->from, &integer, sizeof integer) < 0) return decoder_fail(decoder, "8 bytes expected");
    lua_pushinteger(decoder->L, integer);
    return 0;
}

static int decode_positive(struct decoder *decoder) {
    uint64_t number;
    if (decode_number(decoder, &number) < 0) return -1;
    if (number > LUA_MAXINTEGER) return decoder_fail(decoder, "an integer of at most 63 bits expected");
    lua_pushinteger(decoder->L, (lua_Integer)number);
    return 0;
}

static int decode_float(struct decoder *decoder) {
    lua_Number number;
    if (unpack_fixed(&decoder->from, &number, sizeof number) < 0) return decoder_fail(decoder, "8 bytes expected");
    lua_pushnumber(decoder->L, number);
    return 0;
}

static int decode_string(struct decoder *decoder) {
    size_t length;
    const char *bytes = unpack_run(&decoder->from, &length);
    if (!bytes) return decoder_fail(decoder, "a string expected");
    lua_pushlstring(decoder->L, bytes, length);
    return 0;
}

static int decode_reference(struct decoder *decoder) {
    uint64_t number;
    if (decode_number(decoder, &number) < 0) return -1;
    if (number >= decoder->count) return decoder_fail(decoder, "a reference to something before it expected");
    lua_rawgeti(decoder->L, decoder->seen, (lua_Integer)number + 1);
    return 0;
}

/* Tables. */

static int decode_elements(struct decoder *decoder, int table, uint64_t count) {
    for (uint64_t i = 1; i <= count; i++) {
        if (decode_value(decoder) < 0) return -1;
        lua_rawseti(decoder->L, table, (lua_Integer)i);
    }
    return 0;
}

static int is_key(lua_State *L, int index) {
    if (lua_type(L, index) == LUA_TNUMBER) return lua_tonumber(L, index) == lua_tonumber(L, index); /* no NaN */
    return !lua_isnil(L, index);
}

static int decode_fields(struct decoder *decoder, int table) {
    uint32_t count;
    if (unpack_count(&decoder->from, &count) < 0) return decoder_fail(decoder, "a count expected");
    while (count--) {
        if (decode_value(decoder) < 0) return -1;
        if (!is_key(decoder->L, -1)) return decoder_fail(decoder, "a key expected");
        if (decode_value(decoder) < 0) return -1;
        lua_rawset(decoder->L, table);
    }
    return 0;
}

static int push_table(struct decoder *decoder, uint64_t elements) {
    if (elements > decoder->budget || elements > INT_MAX) return decoder_fail(decoder, "more elements than bytes");
    decoder->budget -= (size_t)elements;
    lua_createtable(decoder->L, (int)elements, 0);
    decoder_register(decoder);
    return 0;
}

static int decode_table(struct decoder *decoder) {
    uint64_t mark, elements;
    if (decode_number(decoder, &mark) < 0 || decode_number(decoder, &elements) < 0) return -1;
    if (mark > JSON_OBJECT) return decoder_fail(decoder, "the mark of a table expected");
    if (push_table(decoder, elements) < 0) return -1;
    int table = lua_gettop(decoder->L);
    if (mark != JSON_UNMARKED) json_mark_set(decoder->L, (enum json_mark)mark);
    if (decode_elements(decoder, table, elements) < 0) return -1;
    return decode_fields(decoder, table);
}

/* Buffers. */

static const struct element *decode_element(struct decoder *decoder) {
    char name[8] = "";
    size_t length;
    const char *bytes = unpack_run(&decoder->from, &length);
    if (bytes && length < sizeof name) memcpy(name, bytes, length);
    const struct element *element = bytes ? element_find(name) : NULL;
    if (!element) decoder_fail(decoder, "the type of a buffer expected");
    return element;
}

/* Makes the classes, where nobody has had need of buffers yet. */
static void open_buffers(lua_State *L) {
    luaL_requiref(L, "core.buffer", luaopen_core_buffer, 0);
    lua_pop(L, 1);
}

static int decode_buffer(struct decoder *decoder) {
    size_t length;
    const struct element *element = decode_element(decoder);
    if (!element) return -1;
    const char *bytes = unpack_run(&decoder->from, &length);
    if (!bytes || length % element->size) return decoder_fail(decoder, "the bytes of a buffer expected");
    open_buffers(decoder->L);
    struct buffer_object *buffer = buffer_push_new(decoder->L, length / element->size, element);
    if (length) memcpy(buffer_object_data(buffer), bytes, length);
    decoder_register(decoder);
    return 0;
}

/* The owner of block `number` in this state: taken out of the parcel the first time. */
static int push_owner(struct decoder *decoder, uint64_t number) {
    struct parcel *parcel = decoder->source->parcel;
    if (!parcel || number >= parcel->count) return decoder_fail(decoder, "the number of a block expected");
    if (lua_rawgeti(decoder->L, decoder->seen, -1 - (lua_Integer)number) != LUA_TNIL) return 0;
    lua_pop(decoder->L, 1);
    if (!parcel->blocks[number].block) return decoder_fail(decoder, "the block was taken before");
    open_buffers(decoder->L);
    buffer_push_owner(decoder->L, &parcel->blocks[number].block);
    lua_pushvalue(decoder->L, -1);
    lua_rawseti(decoder->L, decoder->seen, -1 - (lua_Integer)number);
    return 0;
}

static int decode_moved(struct decoder *decoder) {
    uint64_t number, offset, count;
    if (decode_number(decoder, &number) < 0) return -1;
    const struct element *element = decode_element(decoder);
    if (!element || decode_number(decoder, &offset) < 0 || decode_number(decoder, &count) < 0) return -1;
    if (push_owner(decoder, number) < 0) return -1;
    size_t size = (*(struct block **)lua_touserdata(decoder->L, -1))->size;
    if (offset > size || count > (size - offset) / element->size)
        return decoder_fail(decoder, "a buffer beyond its block");
    buffer_push(decoder->L, -1, (size_t)offset, (size_t)count, element);
    lua_remove(decoder->L, -2);
    decoder_register(decoder);
    return 0;
}

static int decode_globals(struct decoder *decoder) {
    if (!decoder->source->globals) return decoder_fail(decoder, "the globals, which are not allowed here");
    lua_pushvalue(decoder->L, decoder->source->globals);
    return 0;
}

static int decode_nested(struct decoder *decoder, int (*decode)(struct decoder *)) {
    if (!decoder->levels) return decoder_fail(decoder, "too many levels");
    luaL_checkstack(decoder->L, SERIAL_WORKING, "decode");
    decoder->levels--;
    int result = decode(decoder);
    decoder->levels++;
    return result;
}

int decode_value(struct decoder *decoder) {
    switch (unpack_byte(&decoder->from)) {
    case TAG_NIL: return lua_pushnil(decoder->L), 0;
    case TAG_FALSE: return lua_pushboolean(decoder->L, 0), 0;
    case TAG_TRUE: return lua_pushboolean(decoder->L, 1), 0;
    case TAG_NULL: return lua_pushlightuserdata(decoder->L, NULL), 0;
    case TAG_INTEGER: return decode_integer(decoder);
    case TAG_POSITIVE: return decode_positive(decoder);
    case TAG_FLOAT: return decode_float(decoder);
    case TAG_STRING: return decode_string(decoder);
    case TAG_TABLE: return decode_nested(decoder, decode_table);
    case TAG_REFERENCE: return decode_reference(decoder);
    case TAG_BUFFER: return decode_buffer(decoder);
    case TAG_MOVED: return decode_moved(decoder);
    case TAG_FUNCTION: return decode_nested(decoder, decode_function);
    case TAG_GLOBALS: return decode_globals(decoder);
    case TAG_NAMED: return decode_nested(decoder, decode_named);
    default: return decoder_fail(decoder, "a value expected");
    }
}

static int decode_all(struct decoder *decoder) {
    uint64_t count;
    if (unpack_byte(&decoder->from) != SERIAL_FORMAT) return decoder_fail(decoder, "they are in another format");
    if (decode_number(decoder, &count) < 0) return -1;
    if (count > unpack_left(&decoder->from)) return decoder_fail(decoder, "more values than bytes");
    for (uint64_t i = 0; i < count; i++) {
        if (!lua_checkstack(decoder->L, SERIAL_WORKING)) return decoder_fail(decoder, "too many values");
        if (decode_value(decoder) < 0) return -1;
    }
    if (unpack_left(&decoder->from)) return decoder_fail(decoder, "more bytes than values");
    return (int)count;
}

int serial_decode(lua_State *L, const struct serial_source *source) {
    const unsigned char *bytes = (const unsigned char *)source->bytes;
    struct decoder decoder = {.L = L, .source = source, .budget = source->length, .levels = SERIAL_DEPTH};
    decoder.from = (struct unpack){bytes, bytes + source->length};
    luaL_checkstack(L, SERIAL_WORKING, "decode");
    lua_newtable(L);
    decoder.seen = lua_gettop(L);
    int count = decode_all(&decoder);
    if (count >= 0) {
        lua_remove(L, decoder.seen);
        return count;
    }
    lua_settop(L, decoder.seen - 1);
    lua_pushfstring(L, "invalid bytes at %I: %s", (LUAI_UACINT)(decoder.from.at - bytes) + 1, decoder.problem);
    return -1;
}
