/* Functions: the bytecode with its debug information, then the upvalues. Upvalues that functions share stay shared. */
#include "binding/serialise_names.h"
#include "binding/serialise_private.h"

#include <lauxlib.h>
#include <string.h>

enum { UPVALUES_MAX = 256 };

static const char ENVIRONMENT[] = "_ENV";

static int write_code(lua_State *L, const void *bytes, size_t length, void *context) {
    (void)L;
    return text_append(context, bytes, length);
}

static void put_code(struct encoder *encoder, int index) {
    struct text *text = &encoder->parcel->bytes;
    ptrdiff_t count_at = pack_count_later(text);
    size_t start = text->length;
    encoder_check(encoder, count_at < 0 ? -1 : 0);
    lua_pushvalue(encoder->L, index);
    encoder_check(encoder, lua_dump(encoder->L, write_code, text, 0) ? -1 : 0);
    lua_pop(encoder->L, 1);
    if (text->length - start > UINT32_MAX) luaL_error(encoder->L, "a function of more than 4 GiB cannot travel");
    pack_count_at(text, count_at, (uint32_t)(text->length - start));
}

static int count_upvalues(lua_State *L, int index) {
    lua_Debug info;
    lua_pushvalue(L, index);
    lua_getinfo(L, ">u", &info);
    return info.nups;
}

/* An upvalue that another function has written already. */
static int encode_shared(struct encoder *encoder, int function, int number, lua_Integer owner) {
    lua_State *L = encoder->L;
    struct text *text = &encoder->parcel->bytes;
    const void *id = lua_upvalueid(L, function, number);
    int is_shared = lua_rawgetp(L, encoder->seen, id) == LUA_TNUMBER;
    lua_Integer at = is_shared ? lua_tointeger(L, -1) : owner * UPVALUES_MAX + number;
    lua_pop(L, 1);
    if (is_shared) {
        encoder_check(encoder, pack_byte(text, TAG_UPVALUE));
        encoder_check(encoder, pack_size(text, (uint64_t)at / UPVALUES_MAX));
        encoder_check(encoder, pack_size(text, (uint64_t)at % UPVALUES_MAX));
        return 1;
    }
    lua_pushinteger(L, at);
    lua_rawsetp(L, encoder->seen, id);
    return 0;
}

/* What the script sees as its globals: so is the receiver's to be. */
static void add_globals(struct encoder *encoder, int index) {
    lua_State *L = encoder->L;
    lua_pushvalue(L, index);
    if (lua_istable(L, -1) && lua_rawget(L, encoder->seen) == LUA_TNIL) {
        lua_pushvalue(L, index);
        lua_pushboolean(L, 1);
        lua_rawset(L, encoder->seen);
        names_add_globals(L, index, encoder->seen);
    }
    lua_pop(L, 1);
}

void encode_globals(struct encoder *encoder, int index) {
    add_globals(encoder, index);
    encoder_check(encoder, pack_byte(&encoder->parcel->bytes, TAG_GLOBALS));
}

/* Before the upvalues are encoded, one of which may be among the globals. */
static void find_globals(struct encoder *encoder, int function, int count) {
    for (int i = 1; i <= count; i++) {
        if (strcmp(lua_getupvalue(encoder->L, function, i), ENVIRONMENT) == 0)
            add_globals(encoder, lua_gettop(encoder->L));
        lua_pop(encoder->L, 1);
    }
}

static int encode_upvalue(struct encoder *encoder, int function, int number, lua_Integer owner,
                          const struct place *place) {
    lua_State *L = encoder->L;
    if (encode_shared(encoder, function, number, owner)) return 0;
    const char *name = lua_getupvalue(L, function, number);
    struct place here = {place, PLACE_UPVALUE, name, number, 0};
    if (strcmp(name, ENVIRONMENT) == 0) encode_globals(encoder, lua_gettop(L));
    else if (encode_value(encoder, lua_gettop(L), &here) < 0) return -1;
    lua_pop(L, 1);
    return 0;
}

int encode_function(struct encoder *encoder, int index, const struct place *place) {
    lua_Integer owner = encoder->count - 1;
    int count = count_upvalues(encoder->L, index);
    encoder_check(encoder, pack_byte(&encoder->parcel->bytes, TAG_FUNCTION));
    put_code(encoder, index);
    encoder_check(encoder, pack_size(&encoder->parcel->bytes, (uint64_t)count));
    find_globals(encoder, index, count);
    for (int i = 1; i <= count; i++)
        if (encode_upvalue(encoder, index, i, owner, place) < 0) return -1;
    return 0;
}

/* Decoding. */

static int load_code(struct decoder *decoder) {
    uint32_t length;
    if (unpack_count(&decoder->from, &length) < 0 || length > unpack_left(&decoder->from))
        return decoder_fail(decoder, "bytecode expected");
    if (luaL_loadbufferx(decoder->L, (const char *)decoder->from.at, length, "=?", "b") != LUA_OK) {
        lua_pop(decoder->L, 1);
        return decoder_fail(decoder, "bytecode that this Lua cannot load");
    }
    decoder->from.at += length;
    return 0;
}

/* The upvalue becomes the one that another function has. */
static int join_upvalue(struct decoder *decoder, int function, int number) {
    lua_State *L = decoder->L;
    uint64_t owner, which;
    if (decode_number(decoder, &owner) < 0 || decode_number(decoder, &which) < 0) return -1;
    int is_function = owner < decoder->count && lua_rawgeti(L, decoder->seen, (lua_Integer)owner + 1) == LUA_TFUNCTION;
    if (!is_function || lua_iscfunction(L, -1)) return decoder_fail(decoder, "an upvalue of something else");
    int count = count_upvalues(L, lua_gettop(L));
    if (which < 1 || which > (uint64_t)count) return decoder_fail(decoder, "an upvalue that there is not");
    lua_upvaluejoin(L, function, number, lua_gettop(L), (int)which);
    lua_pop(L, 1);
    return 0;
}

static int decode_upvalue(struct decoder *decoder, int function, int number) {
    lua_State *L = decoder->L;
    if (unpack_left(&decoder->from) && *decoder->from.at == TAG_UPVALUE) {
        decoder->from.at++;
        return join_upvalue(decoder, function, number);
    }
    const char *outer = decoder->upvalue;
    decoder->upvalue = lua_getupvalue(L, function, number);
    lua_pop(L, 1);
    if (decode_value(decoder) < 0) return -1;
    decoder->upvalue = outer;
    lua_setupvalue(L, function, number);
    return 0;
}

int decode_function(struct decoder *decoder) {
    uint64_t count;
    if (!decoder->source->globals) return decoder_fail(decoder, "a function, which is not allowed here");
    if (load_code(decoder) < 0) return -1;
    int function = lua_gettop(decoder->L);
    decoder_register(decoder);
    if (decode_number(decoder, &count) < 0) return -1;
    if (count != (uint64_t)count_upvalues(decoder->L, function))
        return decoder_fail(decoder, "another number of upvalues expected");
    for (int i = 1; i <= (int)count; i++)
        if (decode_upvalue(decoder, function, i) < 0) return -1;
    return 0;
}

static int push_run(struct decoder *decoder) {
    size_t length;
    const char *run = unpack_run(&decoder->from, &length);
    if (!run) return decoder_fail(decoder, "a name expected");
    lua_pushlstring(decoder->L, run, length);
    return 0;
}

/* Raises the error on top of the stack, with the upvalue that it is about. */
static int raise_named(const struct decoder *decoder) {
    lua_State *L = decoder->L;
    if (decoder->upvalue && lua_type(L, -1) == LUA_TSTRING) {
        lua_pushfstring(L, "upvalue '%s' of the function: %s", decoder->upvalue, lua_tostring(L, -1));
        lua_replace(L, -2);
    }
    return lua_error(L);
}

/* The module whose name is on top of the stack takes the name's place. */
static void load_module(struct decoder *decoder) {
    lua_State *L = decoder->L;
    if (strcmp(lua_tostring(L, -1), "_G") == 0) {
        lua_pushvalue(L, decoder->source->globals);
    } else {
        lua_getglobal(L, "require");
        lua_pushvalue(L, -2);
        if (lua_pcall(L, 1, 1, 0) != LUA_OK) raise_named(decoder);
    }
    lua_replace(L, -2);
}

/* The field takes the place of its name and the module below it. */
static void load_field(struct decoder *decoder) {
    lua_State *L = decoder->L;
    lua_pushvalue(L, -1);
    if (!lua_istable(L, -3) || lua_rawget(L, -3) == LUA_TNIL) {
        lua_pushfstring(L, "there is no function %s in its module", lua_tostring(L, -2));
        raise_named(decoder);
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
}

int decode_named(struct decoder *decoder) {
    if (!decoder->source->globals) return decoder_fail(decoder, "a module, which is not allowed here");
    if (push_run(decoder) < 0) return -1;
    load_module(decoder);
    if (push_run(decoder) < 0) return -1;
    if (*lua_tostring(decoder->L, -1)) load_field(decoder);
    else lua_pop(decoder->L, 1);
    return 0;
}
