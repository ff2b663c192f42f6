/* core.msgpack: encode, decode and what reads messages as functions of Lua. */
#include "binding/msgpack.h"
#include "binding/connection_wait.h"
#include "binding/modules.h"
#include "binding/scratch.h"
#include "binding/support.h"

static struct text *scratch_of(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* The result of encoding into the scratch, which had `start` bytes before. */
static int encode_end(lua_State *L, struct text *text, size_t start, int result) {
    if (result == 0) return scratch_push_string(L, text, start), 1;
    scratch_reset(text, start);
    return luaL_error(L, "%s", lua_tostring(L, -1));
}

/* msgpack.encode(value) -> text; raises for what cannot be encoded */
static int encode(lua_State *L) {
    struct text *text = scratch_of(L);
    size_t start = text->length;
    luaL_checkany(L, 1);
    return encode_end(L, text, start, msgpack_encode(L, 1, text));
}

/* msgpack.encode_list(...) -> text: an array of them */
static int encode_list(lua_State *L) {
    struct text *text = scratch_of(L);
    size_t start = text->length;
    return encode_end(L, text, start, msgpack_encode_list(L, 1, lua_gettop(L), 0, text));
}

/* msgpack.encode_call(arguments, ...) -> text: an array of them, and of the array of arguments */
static int encode_call(lua_State *L) {
    struct text *text = scratch_of(L);
    size_t start = text->length;
    luaL_checktype(L, 1, LUA_TTABLE);
    return encode_end(L, text, start, msgpack_encode_list(L, 2, lua_gettop(L) - 1, 1, text));
}

/* msgpack.write_list(conn, ...): encode_list straight into what the connection is to send, without waiting. -> true; or
 * false when it is sent, too, but the peer is slow: more than conn.high_water is queued; or nil, message, code:
 * "protocol" when it cannot be encoded */
static int write_list(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    struct text *text = scratch_of(L);
    size_t start = text->length;
    int failure = connection_obstacle(connection);
    if (failure) return connection_fail(L, connection, "write to", failure);
    int result = msgpack_encode_list(L, 2, lua_gettop(L) - 1, 0, text);
    if (result == 0) result = connection_write_copy(&connection->io, text->bytes + start, text->length - start) ? 1 : 0;
    scratch_reset(text, start);
    if (result < 0) return support_fail(L, "protocol", "%s", lua_tostring(L, -1));
    if (result > 0) return luaL_error(L, "not enough memory");
    lua_pushboolean(L, connection->io.output.length <= connection->io.high_water);
    return 1;
}

/* Which of the words the option is; the first when it is nil. */
static uint8_t read_word(lua_State *L, int table, const char *name, const char *const *words) {
    uint8_t found = 0;
    if (lua_getfield(L, table, name) != LUA_TNIL) {
        const char *word = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
        while (words[found] && strcmp(words[found], word) != 0) found++;
        if (!words[found]) luaL_error(L, "option '%s' must be \"%s\" or \"%s\"", name, words[0], words[1]);
    }
    lua_pop(L, 1);
    return found;
}

static uint8_t read_list(lua_State *L, int table) {
    int type = lua_getfield(L, table, "list");
    int is_call = type == LUA_TSTRING && strcmp(lua_tostring(L, -1), "call") == 0;
    if (type != LUA_TNIL && type != LUA_TBOOLEAN && !is_call)
        luaL_error(L, "option 'list' must be true, false or \"call\"");
    uint8_t list = is_call ? MSGPACK_CALL : lua_toboolean(L, -1) ? MSGPACK_LIST : MSGPACK_WHOLE;
    lua_pop(L, 1);
    return list;
}

void msgpack_options_read(lua_State *L, int index, const char *const *names, struct msgpack_options *options) {
    static const char *const binaries[] = {"string", "buffer", NULL};
    static const char *const integers[] = {"exact", "float", NULL};
    *options = (struct msgpack_options){.depth = MSGPACK_DEPTH};
    if (lua_isnoneornil(L, index)) return;
    luaL_checktype(L, index, LUA_TTABLE);
    support_check_options(L, index, names);
    options->depth = (uint32_t)support_option_integer(L, index, "depth", 1, MSGPACK_DEPTH_MAX, MSGPACK_DEPTH);
    options->gives_buffers = read_word(L, index, "binary", binaries);
    options->gives_floats = read_word(L, index, "uint64", integers);
    options->list = read_list(L, index);
}

/* msgpack.decode(text, { depth =, binary =, uint64 =, list = }) -> value; or nil, message, code */
static int decode(lua_State *L) {
    static const char *const names[] = {"depth", "binary", "uint64", "list", NULL};
    struct msgpack_options options;
    const char *code;
    size_t length;
    luaL_checktype(L, 1, LUA_TSTRING);
    const char *bytes = lua_tolstring(L, 1, &length);
    msgpack_options_read(L, 2, names, &options);
    int count = msgpack_decode(L, &options, (const unsigned char *)bytes, length, &code);
    return count < 0 ? support_fail(L, code, "%s", lua_tostring(L, -1)) : count;
}

int luaopen_core_msgpack(lua_State *L) {
    static const luaL_Reg functions[] = {{"decode", decode},
                                         {"reader", msgpack_reader},
                                         {"ext", msgpack_ext},
                                         {"timestamp", msgpack_timestamp},
                                         {NULL, NULL}};
    static const luaL_Reg encoders[] = {{"encode", encode},
                                        {"encode_list", encode_list},
                                        {"encode_call", encode_call},
                                        {"write_list", write_list},
                                        {NULL, NULL}};
    msgpack_classes_open(L);
    luaL_newlib(L, functions);
    scratch_push(L);
    luaL_setfuncs(L, encoders, 1);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
