/* By recursive descent. The parts of an array or object gather on the Lua stack until it ends or they are many, so that
 * most tables are made in their size at once. */
#include "binding/json.h"
#include "bytes/json_number.h"
#include "bytes/json_scan.h"

#include <assert.h>
#include <lauxlib.h>
#include <math.h>

enum { GATHERED = 32, WORKING = 8, END = -1 }; /* Lua stack slots for parts, and beside them */

struct decoder {
    lua_State *L;
    const unsigned char *at, *end;
    const char *problem; /* of what is at `at` */
    int levels;          /* that may still open */
};

struct container {
    int slot;          /* where the table is, or will be, on the stack; its parts are above */
    int parts;         /* how many */
    lua_Integer count; /* of elements in the table */
};

static int decode_value(struct decoder *decoder);

static int decoder_fail(struct decoder *decoder, const char *problem) {
    decoder->problem = problem;
    return -1;
}

static inline int decoder_skip_space(struct decoder *decoder) {
    for (; decoder->at < decoder->end; decoder->at++) {
        unsigned char byte = *decoder->at;
        if (byte > ' ' || (byte != ' ' && byte != '\n' && byte != '\r' && byte != '\t')) return byte;
    }
    return END;
}

/* Strings. */

/* Goes to the quote or backslash that comes next. */
static int string_pass(struct decoder *decoder) {
    decoder->at = json_scan_text(decoder->at, decoder->end);
    if (decoder->at == decoder->end) return decoder_fail(decoder, "a \" expected");
    if (*decoder->at >= 0x80) return decoder_fail(decoder, "a string that is not UTF-8");
    return *decoder->at < ' ' ? decoder_fail(decoder, "a control character in a string") : 0;
}

static int hexadecimal(unsigned char byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The number in \uXXXX, which begins at `at`; -1 when there is no such thing. */
static int unicode_unit(const unsigned char *at, const unsigned char *end) {
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return -1;
    int unit = 0;
    for (int i = 2; i < 6; i++) {
        int digit = hexadecimal(at[i]);
        if (digit < 0) return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static void add_utf8(luaL_Buffer *buffer, unsigned code) {
    char *to = luaL_prepbuffsize(buffer, 4), *at = to;
    if (code < 0x80) {
        *at++ = (char)code;
    } else {
        int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        *at++ = (char)((0xff00u >> (more + 1) & 0xff) | code >> 6 * more);
        while (more--) *at++ = (char)(0x80 | (code >> 6 * more & 0x3f));
    }
    luaL_addsize(buffer, (size_t)(at - to));
}

static int decode_unicode(struct decoder *decoder, luaL_Buffer *buffer) {
    int unit = unicode_unit(decoder->at, decoder->end);
    if (unit < 0) return decoder_fail(decoder, "four hexadecimal digits expected");
    if (unit < 0xd800 || unit > 0xdfff) {
        add_utf8(buffer, (unsigned)unit);
        decoder->at += 6;
        return 0;
    }
    int low = unit < 0xdc00 ? unicode_unit(decoder->at + 6, decoder->end) : -1;
    if (low < 0xdc00 || low > 0xdfff) return decoder_fail(decoder, "a lone surrogate");
    add_utf8(buffer, 0x10000u + ((unsigned)(unit - 0xd800) << 10) + (unsigned)(low - 0xdc00));
    decoder->at += 12;
    return 0;
}

static int decode_escape(struct decoder *decoder, luaL_Buffer *buffer) {
    static const char plain[256] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    unsigned char letter = decoder->end - decoder->at > 1 ? decoder->at[1] : 0;
    if (letter == 'u') return decode_unicode(decoder, buffer);
    if (!plain[letter]) return decoder_fail(decoder, "an unknown escape");
    luaL_addchar(buffer, plain[letter]);
    decoder->at += 2;
    return 0;
}

/* The rest of a string whose plain beginning is at `from`; the decoder is at its first backslash. */
static int decode_escaped(struct decoder *decoder, const unsigned char *from) {
    luaL_Buffer buffer;
    luaL_buffinit(decoder->L, &buffer);
    for (;;) {
        luaL_addlstring(&buffer, (const char *)from, (size_t)(decoder->at - from));
        if (*decoder->at == '"') break;
        if (decode_escape(decoder, &buffer) < 0) return -1;
        from = decoder->at;
        if (string_pass(decoder) < 0) return -1;
    }
    luaL_pushresult(&buffer);
    decoder->at++;
    return 0;
}

static int decode_string(struct decoder *decoder) {
    const unsigned char *from = ++decoder->at;
    if (string_pass(decoder) < 0) return -1;
    if (*decoder->at == '\\') return decode_escaped(decoder, from);
    lua_pushlstring(decoder->L, (const char *)from, (size_t)(decoder->at++ - from));
    return 0;
}

/* Numbers and words. */

/* Lua's own way from text to number knows the locale. */
static int push_wide(struct decoder *decoder, const unsigned char *from) {
    lua_State *L = decoder->L;
    const char *text = lua_pushlstring(L, (const char *)from, (size_t)(decoder->at - from));
    if (!lua_stringtonumber(L, text) || isinf(lua_tonumber(L, -1))) {
        decoder->at = from;
        return decoder_fail(decoder, "a number that is too large");
    }
    lua_replace(L, -2);
    return 0;
}

static int decode_number(struct decoder *decoder) {
    const unsigned char *from = decoder->at;
    struct json_number number;
    if (json_number_read(&number, &decoder->at, decoder->end) < 0) return decoder_fail(decoder, "a digit expected");
    if (number.kind == JSON_NUMBER_WIDE) return push_wide(decoder, from);
    if (number.kind == JSON_NUMBER_INTEGER) lua_pushinteger(decoder->L, number.as.integer);
    else lua_pushnumber(decoder->L, number.as.number);
    return 0;
}

static int decode_word(struct decoder *decoder, const char *word, size_t length) {
    if ((size_t)(decoder->end - decoder->at) < length || memcmp(decoder->at, word, length) != 0)
        return decoder_fail(decoder, "a value expected");
    decoder->at += length;
    if (*word == 'n') lua_pushlightuserdata(decoder->L, NULL);
    else lua_pushboolean(decoder->L, *word == 't');
    return 0;
}

/* Arrays and objects. */

/* Behind the bracket, at what comes first. */
static int container_open(struct decoder *decoder, struct container *container) {
    if (!decoder->levels) return decoder_fail(decoder, "too many levels");
    decoder->levels--;
    decoder->at++;
    luaL_checkstack(decoder->L, GATHERED + WORKING, "JSON");
    lua_pushnil(decoder->L);
    *container = (struct container){.slot = lua_gettop(decoder->L)};
    return decoder_skip_space(decoder);
}

static int container_close(struct decoder *decoder) {
    decoder->levels++;
    decoder->at++;
    return 0;
}

/* Goes behind the comma: 1; the end: 0. */
static int container_next(struct decoder *decoder, char end, const char *problem) {
    int byte = decoder_skip_space(decoder);
    if (byte == end) return 0;
    if (byte != ',') return decoder_fail(decoder, problem);
    decoder->at++;
    return 1;
}

static void container_make(lua_State *L, struct container *container, int elements, int fields) {
    if (container->count) return;
    lua_createtable(L, elements, fields);
    lua_replace(L, container->slot);
}

static void array_store(lua_State *L, struct container *array) {
    container_make(L, array, array->parts, 0);
    for (int i = array->parts; i > 0; i--) lua_rawseti(L, array->slot, array->count + i);
    array->count += array->parts;
    array->parts = 0;
}

static void push_empty_array(lua_State *L) {
    lua_newtable(L);
    json_mark_set(L, JSON_ARRAY);
}

static int decode_array(struct decoder *decoder) {
    struct container array;
    int more = container_open(decoder, &array);
    if (more == ']') {
        push_empty_array(decoder->L);
        lua_replace(decoder->L, array.slot);
        return container_close(decoder);
    }
    if (decoder->problem) return -1;
    do {
        if (decode_value(decoder) < 0) return -1;
        if (++array.parts == GATHERED) array_store(decoder->L, &array);
        more = container_next(decoder, ']', "a comma or ] expected");
    } while (more > 0);
    if (more < 0) return -1;
    if (array.parts) array_store(decoder->L, &array);
    return container_close(decoder);
}

/* In their order, so that the last of duplicate keys wins. */
static void object_store(lua_State *L, struct container *object) {
    container_make(L, object, 0, object->parts / 2);
    for (int i = 1; i <= object->parts; i += 2) {
        lua_pushvalue(L, object->slot + i);
        lua_pushvalue(L, object->slot + i + 1);
        lua_rawset(L, object->slot);
    }
    lua_settop(L, object->slot);
    object->count += object->parts / 2;
    object->parts = 0;
}

static int decode_field(struct decoder *decoder) {
    if (decoder_skip_space(decoder) != '"') return decoder_fail(decoder, "a key expected");
    if (decode_string(decoder) < 0) return -1;
    if (decoder_skip_space(decoder) != ':') return decoder_fail(decoder, "a colon expected");
    decoder->at++;
    return decode_value(decoder);
}

static int decode_object(struct decoder *decoder) {
    struct container object;
    int more = container_open(decoder, &object) != '}';
    if (decoder->problem) return -1;
    while (more > 0) {
        if (decode_field(decoder) < 0) return -1;
        if ((object.parts += 2) == GATHERED) object_store(decoder->L, &object);
        more = container_next(decoder, '}', "a comma or } expected");
    }
    if (more < 0) return -1;
    if (object.parts || !object.count) object_store(decoder->L, &object);
    return container_close(decoder);
}

static int decode_value(struct decoder *decoder) {
    switch (decoder_skip_space(decoder)) {
    case '"': return decode_string(decoder);
    case '{': return decode_object(decoder);
    case '[': return decode_array(decoder);
    case '-': return decode_number(decoder);
    case '0' ... '9': return decode_number(decoder);
    case 't': return decode_word(decoder, "true", 4);
    case 'f': return decode_word(decoder, "false", 5);
    case 'n': return decode_word(decoder, "null", 4);
    default: return decoder_fail(decoder, "a value expected");
    }
}

static int decode_document(struct decoder *decoder) {
    if (decode_value(decoder) < 0) return -1;
    return decoder_skip_space(decoder) == END ? 0 : decoder_fail(decoder, "the end expected");
}

int json_decode(lua_State *L, const char *bytes, size_t length, int max_depth) {
    assert(max_depth <= JSON_DEPTH_MAX);
    const unsigned char *start = (const unsigned char *)bytes;
    struct decoder decoder = {.L = L, .at = start, .end = start + length, .levels = max_depth};
    int top = lua_gettop(L);
    luaL_checkstack(L, WORKING, "JSON");
    if (decode_document(&decoder) == 0) return 1;
    lua_settop(L, top);
    lua_pushnil(L);
    lua_pushfstring(L, "invalid JSON at byte %I: %s%s", (lua_Integer)(decoder.at - start + 1), decoder.problem,
                    decoder.at == decoder.end ? ", but it ends" : "");
    lua_pushliteral(L, "protocol");
    return 3;
}
