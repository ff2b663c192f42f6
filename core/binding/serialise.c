/* Encoding: depth first over raw values. */
#include "binding/buffer.h"
#include "binding/element.h"
#include "binding/json.h"
#include "binding/serialise_names.h"
#include "binding/serialise_private.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

/* Failure. */

int encoder_refuse(const struct encoder *encoder, const struct place *place, const char *what) {
    place_push(encoder->L, place);
    lua_pushfstring(encoder->L, ": %s cannot travel", what);
    lua_concat(encoder->L, 2);
    return -1;
}

void encoder_check(const struct encoder *encoder, int result) {
    if (result < 0) luaL_error(encoder->L, "not enough memory");
}

/* "a connection" for something of the class perigee.connection. */
static int refuse_class(const struct encoder *encoder, const struct place *place, const char *name) {
    if (strncmp(name, "perigee.", 8) == 0) name += 8;
    if (strcmp(name, LUA_FILEHANDLE) == 0) name = "file";
    lua_pushfstring(encoder->L, "%s %s", *name && strchr("aeiou", *name) ? "an" : "a", name);
    return encoder_refuse(encoder, place, lua_tostring(encoder->L, -1));
}

static int refuse_by_class(const struct encoder *encoder, int index, const struct place *place, const char *otherwise) {
    lua_State *L = encoder->L;
    if (luaL_getmetafield(L, index, "__name") != LUA_TSTRING) return encoder_refuse(encoder, place, otherwise);
    return refuse_class(encoder, place, lua_tostring(L, -1));
}

static int open_level(struct encoder *encoder, const struct place *place) {
    luaL_checkstack(encoder->L, SERIAL_WORKING, "encode");
    if (encoder->levels) return encoder->levels--, 0;
    return encoder_refuse(encoder, place, "a table of more than 500 levels");
}

/* Output. */

static void put_tag(const struct encoder *encoder, enum serial_tag tag) {
    encoder_check(encoder, pack_byte(&encoder->parcel->bytes, tag));
}

static void put_size(const struct encoder *encoder, uint64_t size) {
    encoder_check(encoder, pack_size(&encoder->parcel->bytes, size));
}

static void put_run(const struct encoder *encoder, const void *bytes, size_t length) {
    encoder_check(encoder, pack_run(&encoder->parcel->bytes, bytes, length));
}

static void put_fixed(const struct encoder *encoder, enum serial_tag tag, const void *bytes, size_t length) {
    put_tag(encoder, tag);
    encoder_check(encoder, text_append(&encoder->parcel->bytes, bytes, length));
}

/* What was seen: a number in their order, true for the globals, or a name. */

void encoder_register(struct encoder *encoder, int index) {
    lua_pushvalue(encoder->L, index);
    lua_pushinteger(encoder->L, encoder->count++);
    lua_rawset(encoder->L, encoder->seen);
}

static void put_name(const struct encoder *encoder, const char *name) {
    const char *field = name + strlen(name) + 1;
    put_tag(encoder, TAG_NAMED);
    put_run(encoder, name, strlen(name));
    put_run(encoder, field, strlen(field));
}

static int put_known(const struct encoder *encoder) {
    lua_State *L = encoder->L;
    switch (lua_type(L, -1)) {
    case LUA_TNUMBER: put_tag(encoder, TAG_REFERENCE), put_size(encoder, (uint64_t)lua_tointeger(L, -1)); break;
    case LUA_TBOOLEAN: put_tag(encoder, TAG_GLOBALS); break;
    default: put_name(encoder, lua_tostring(L, -1));
    }
    return 1;
}

int encode_known(struct encoder *encoder, int index) {
    lua_State *L = encoder->L;
    lua_pushvalue(L, index);
    int is_known = lua_rawget(L, encoder->seen) != LUA_TNIL && put_known(encoder);
    lua_pop(L, 1);
    if (is_known || !encoder->style->code) return is_known;
    lua_pushvalue(L, index);
    is_known = lua_rawget(L, encoder->names) != LUA_TNIL && put_known(encoder);
    lua_pop(L, 1);
    return is_known;
}

/* Values. */

static int encode_number(struct encoder *encoder, int index) {
    if (!lua_isinteger(encoder->L, index)) {
        lua_Number number = lua_tonumber(encoder->L, index);
        put_fixed(encoder, TAG_FLOAT, &number, sizeof number);
        return 0;
    }
    lua_Integer integer = lua_tointeger(encoder->L, index);
    if (integer >= 0) put_tag(encoder, TAG_POSITIVE), put_size(encoder, (uint64_t)integer);
    else put_fixed(encoder, TAG_INTEGER, &integer, sizeof integer);
    return 0;
}

static int encode_string(struct encoder *encoder, int index) {
    size_t length;
    const char *bytes = lua_tolstring(encoder->L, index, &length);
    put_tag(encoder, TAG_STRING);
    put_run(encoder, bytes, length);
    return 0;
}

static int encode_elements(struct encoder *encoder, int table, lua_Integer count, const struct place *place) {
    lua_State *L = encoder->L;
    struct place here = {place, PLACE_FIELD, NULL, 0, lua_gettop(L) + 1};
    for (lua_Integer i = 1; i <= count; i++) {
        lua_pushinteger(L, i);
        lua_rawgeti(L, table, i);
        if (encode_value(encoder, here.key + 1, &here) < 0) return -1;
        lua_pop(L, 2);
    }
    return 0;
}

static int is_element(lua_State *L, int key, lua_Integer count) {
    return lua_isinteger(L, key) && lua_tointeger(L, key) >= 1 && lua_tointeger(L, key) <= count;
}

static int encode_fields(struct encoder *encoder, int table, lua_Integer elements, const struct place *place) {
    lua_State *L = encoder->L;
    int key = lua_gettop(L) + 1;
    struct place here = {place, PLACE_FIELD, NULL, 0, key}, here_key = {place, PLACE_KEY, NULL, 0, key};
    ptrdiff_t count_at = pack_count_later(&encoder->parcel->bytes);
    uint32_t count = 0;
    encoder_check(encoder, count_at < 0 ? -1 : 0);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (is_element(L, key, elements)) continue;
        if (encode_value(encoder, key, &here_key) < 0 || encode_value(encoder, key + 1, &here) < 0) return -1;
        count++;
    }
    pack_count_at(&encoder->parcel->bytes, count_at, count);
    return 0;
}

/* As in every set of globals, its _G is the table itself. */
static int is_globals(lua_State *L, int table) {
    lua_pushliteral(L, "_G");
    lua_rawget(L, table);
    int result = lua_rawequal(L, -1, table);
    lua_pop(L, 1);
    return result;
}

static int encode_table(struct encoder *encoder, int table, const struct place *place) {
    lua_State *L = encoder->L;
    if (encode_known(encoder, table)) return 0;
    if (encoder->style->code && is_globals(L, table)) return encode_globals(encoder, table), 0;
    enum json_mark mark = json_mark_of(L, table);
    if (mark == JSON_UNMARKED && lua_getmetatable(L, table))
        return refuse_by_class(encoder, table, place, "a table with a metatable");
    if (open_level(encoder, place) < 0) return -1;
    lua_Integer elements = (lua_Integer)lua_rawlen(L, table);
    encoder_register(encoder, table);
    put_tag(encoder, TAG_TABLE);
    put_size(encoder, mark);
    put_size(encoder, (uint64_t)elements);
    if (encode_elements(encoder, table, elements, place) < 0) return -1;
    encoder->levels++;
    return encode_fields(encoder, table, elements, place);
}

/* Buffers. */

static size_t block_number(struct encoder *encoder, struct block *block) {
    lua_State *L = encoder->L;
    size_t number;
    if (lua_rawgetp(L, encoder->seen, block) == LUA_TNUMBER) {
        number = (size_t)lua_tointeger(L, -1);
    } else {
        encoder_check(encoder, parcel_add_block(encoder->parcel, block, &number));
        lua_pushinteger(L, (lua_Integer)number);
        lua_rawsetp(L, encoder->seen, block);
    }
    lua_pop(L, 1);
    return number;
}

static int encode_buffer(struct encoder *encoder, int index, const struct place *place) {
    const struct buffer_object *buffer = buffer_peek(encoder->L, index);
    const char *name = buffer->element->name;
    int moves = encoder->style->moves;
    if (!buffer->block->data)
        return encoder_refuse(encoder, place, "a buffer whose memory has moved to another thread");
    if (moves && buffer->block->holders > 1)
        return encoder_refuse(encoder, place, "a buffer that is still being sent (flush the connection first)");
    if (encode_known(encoder, index)) return 0;
    encoder_register(encoder, index);
    put_tag(encoder, moves ? TAG_MOVED : TAG_BUFFER);
    if (moves) put_size(encoder, block_number(encoder, buffer->block));
    put_run(encoder, name, strlen(name));
    if (!moves) return put_run(encoder, buffer_object_data(buffer), buffer_object_bytes(buffer)), 0;
    put_size(encoder, buffer->offset);
    put_size(encoder, buffer->count);
    return 0;
}

static int encode_userdata(struct encoder *encoder, int index, const struct place *place) {
    if (buffer_peek(encoder->L, index)) return encode_buffer(encoder, index, place);
    return refuse_by_class(encoder, index, place, "a userdata");
}

static int encode_any_function(struct encoder *encoder, int index, const struct place *place) {
    if (!encoder->style->code) return encoder_refuse(encoder, place, "a function");
    if (encode_known(encoder, index)) return 0;
    if (lua_iscfunction(encoder->L, index))
        return encoder_refuse(encoder, place, "a function in C that is in no module");
    if (open_level(encoder, place) < 0) return -1;
    encoder_register(encoder, index);
    int result = encode_function(encoder, index, place);
    encoder->levels++;
    return result;
}

int encode_value(struct encoder *encoder, int index, const struct place *place) {
    lua_State *L = encoder->L;
    switch (lua_type(L, index)) {
    case LUA_TNIL: return put_tag(encoder, TAG_NIL), 0;
    case LUA_TBOOLEAN: return put_tag(encoder, lua_toboolean(L, index) ? TAG_TRUE : TAG_FALSE), 0;
    case LUA_TNUMBER: return encode_number(encoder, index);
    case LUA_TSTRING: return encode_string(encoder, index);
    case LUA_TTABLE: return encode_table(encoder, index, place);
    case LUA_TFUNCTION: return encode_any_function(encoder, index, place);
    case LUA_TUSERDATA: return encode_userdata(encoder, index, place);
    case LUA_TTHREAD: return encoder_refuse(encoder, place, "a coroutine");
    default: break;
    }
    if (lua_touserdata(L, index)) return encoder_refuse(encoder, place, "a light userdata");
    return put_tag(encoder, TAG_NULL), 0;
}

int serial_encode(lua_State *L, int first, struct parcel *parcel, const struct serial_style *style) {
    int last = lua_gettop(L);
    struct encoder encoder = {L, parcel, style, last + 1, last + 2, 0, SERIAL_DEPTH};
    luaL_checkstack(L, SERIAL_WORKING, "encode");
    lua_newtable(L);
    if (style->code) {
        names_push(L);
        lua_pushglobaltable(L);
        lua_pushboolean(L, 1);
        lua_rawset(L, encoder.seen);
    }
    encoder_check(&encoder, pack_byte(&parcel->bytes, SERIAL_FORMAT));
    put_size(&encoder, (uint64_t)(last - first + 1));
    for (int i = first; i <= last; i++) {
        int is_function = style->has_function && i == first;
        struct place place = {NULL, PLACE_VALUE, style->noun, is_function ? 0 : i - first + 1, 0};
        if (encode_value(&encoder, i, &place) < 0) return -1;
    }
    lua_settop(L, last);
    return 0;
}
