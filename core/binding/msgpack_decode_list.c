/* A whole message: one value; or an array whose elements become values of their own, as a list or as a call. */
#include "binding/msgpack_decoder.h"

#include <lauxlib.h>

enum { LIST_MAX = 10000 /* elements, and arguments */ };

/* An element of a list, or of arguments: nil is nil. */
static int decode_element(struct msgpack_decoder *decoder) {
    if (msgpack_decoder_left(decoder) && *decoder->at == 0xc0) return decoder->at++, lua_pushnil(decoder->L), 0;
    return msgpack_decoder_value(decoder);
}

/* Where an array begins: its size, as far as it may be. */
static int open_array(struct msgpack_decoder *decoder, uint32_t *size) {
    decoder->place = decoder->at;
    if (!msgpack_decoder_left(decoder) || msgpack_heads[*decoder->at].kind != MSGPACK_ARRAY)
        return msgpack_decoder_fail(decoder, "an array expected");
    struct msgpack_head head = msgpack_heads[*decoder->at++];
    *size = head.size;
    if (head.width && msgpack_decoder_size(decoder, head.width, size) < 0) return -1;
    return msgpack_decoder_open(decoder, MSGPACK_ARRAY, *size);
}

/* The elements of an array that has been opened, as values of their own. */
static int decode_elements(struct msgpack_decoder *decoder, uint32_t size) {
    for (uint32_t i = 0; i < size; i++) {
        decoder->values--;
        if (decode_element(decoder) < 0) return -1;
    }
    return msgpack_decoder_close(decoder);
}

/* Opens an array whose elements become values. */
static int open_list(struct msgpack_decoder *decoder, uint32_t *size) {
    if (open_array(decoder, size) < 0) return -1;
    if (*size > LIST_MAX)
        return msgpack_decoder_fail(decoder, "an array of more than 10000 elements, too many for a list");
    luaL_checkstack(decoder->L, (int)*size + MSGPACK_WORKING, "MessagePack");
    return 0;
}

/* Returns how many elements, or -1. */
static int decode_list(struct msgpack_decoder *decoder) {
    uint32_t size;
    return open_list(decoder, &size) < 0 || decode_elements(decoder, size) < 0 ? -1 : (int)size;
}

/* Calls. */

static int is_id(lua_State *L, int index) {
    lua_Integer id = lua_isinteger(L, index) ? lua_tointeger(L, index) : -1;
    return id >= 0 && id <= UINT32_MAX;
}

/* Whether what is on the stack from `first` on is what comes before the arguments. */
static int is_request(lua_State *L, int first, uint32_t size) {
    return size == 4 && is_id(L, first + 1) && lua_type(L, first + 2) == LUA_TSTRING;
}

static int is_notification(lua_State *L, int first, uint32_t size) {
    return size == 3 && lua_type(L, first + 2) == LUA_TSTRING;
}

/* The rest of [0, id, method, arguments] or [2, method, arguments]: nil for the id that a notification has not, and the
 * arguments as values of their own. Returns how many those are, or -1. */
static int decode_arguments(struct msgpack_decoder *decoder, int first, uint32_t size) {
    const unsigned char *place = decoder->at;
    int request = lua_tointeger(decoder->L, first) == 0;
    uint32_t count;
    if (!request) lua_pushnil(decoder->L);
    for (uint32_t i = 2; i < size; i++) {
        decoder->values--;
        if (decode_element(decoder) < 0) return -1;
    }
    if (request ? is_request(decoder->L, first, size) : is_notification(decoder->L, first, size)) {
        decoder->values--;
        return open_list(decoder, &count) < 0 || decode_elements(decoder, count) < 0 ? -1 : (int)count;
    }
    decoder->place = place;
    return msgpack_decoder_fail(decoder, request
                                             ? "an id from 0 to 4294967295, a method's name and its arguments expected"
                                             : "a method's name and its arguments expected");
}

/* Returns how many values, or -1. */
static int decode_call(struct msgpack_decoder *decoder) {
    int first = lua_gettop(decoder->L) + 1, count = -1;
    uint32_t size;
    if (open_list(decoder, &size) < 0) return -1;
    if (!size) return msgpack_decoder_close(decoder);
    decoder->values--;
    if (decode_element(decoder) < 0) return -1;
    lua_Integer kind = lua_isinteger(decoder->L, first) ? lua_tointeger(decoder->L, first) : -1;
    if (kind != 0 && kind != 2) return decode_elements(decoder, size - 1) < 0 ? -1 : (int)size;
    count = decode_arguments(decoder, first, size);
    return count < 0 || msgpack_decoder_close(decoder) < 0 ? -1 : 3 + count;
}

/* What a message begins with that cannot be decoded as a whole. */

enum { START = 3 };

/* Pushes the next element when it is an integer or a text, else nil; then nothing is known of those behind it. */
static int push_start(struct msgpack_decoder *decoder) {
    enum msgpack_kind kind = decoder->values ? msgpack_heads[*decoder->at].kind : MSGPACK_NEVER;
    int top = lua_gettop(decoder->L);
    decoder->values--;
    int is_plain = (kind == MSGPACK_SCALAR || kind == MSGPACK_TEXT) && msgpack_decoder_value(decoder) == 0;
    if (is_plain && (kind == MSGPACK_TEXT || lua_isinteger(decoder->L, -1))) return 1;
    lua_settop(decoder->L, top);
    lua_pushnil(decoder->L);
    return 0;
}

int msgpack_push_start(lua_State *L, const unsigned char *bytes, size_t length) {
    struct msgpack_decoder decoder = {.L = L, .at = bytes, .end = bytes + length, .levels = 1};
    int base = lua_gettop(L), is_known;
    uint32_t size;
    luaL_checkstack(L, MSGPACK_WORKING, "MessagePack");
    is_known = open_array(&decoder, &size) == 0;
    for (int i = 0; i < START && is_known; i++) is_known = push_start(&decoder);
    lua_settop(L, base + START);
    return START;
}

/* Returns how many values, or -1. */
static int decode_message(struct msgpack_decoder *decoder) {
    int count = 1;
    if (decoder->options.list == MSGPACK_CALL) count = decode_call(decoder);
    else if (decoder->options.list) count = decode_list(decoder);
    else if (decode_element(decoder) < 0) count = -1;
    if (count < 0 || decoder->at == decoder->end) return count;
    decoder->place = decoder->at;
    return msgpack_decoder_fail(decoder, "the end expected");
}

int msgpack_decode(lua_State *L, const struct msgpack_options *options, const unsigned char *bytes, size_t length,
                   const char **code) {
    struct msgpack_decoder decoder = {
        .L = L, .at = bytes, .end = bytes + length, .levels = options->depth, .options = *options};
    luaL_checkstack(L, MSGPACK_WORKING, "MessagePack");
    int top = lua_gettop(L), count = decode_message(&decoder);
    if (count >= 0) return count;
    lua_settop(L, top);
    lua_pushfstring(L, "invalid MessagePack at byte %I: %s", (lua_Integer)(decoder.place - bytes + 1), decoder.problem);
    *code = decoder.code;
    return -1;
}
