/* core.resp: RESP as functions of Lua, its marks, and the reader of commands and replies. */
#include "binding/resp.h"
#include "binding/buffer.h"
#include "binding/connection_wait.h"
#include "binding/json.h"
#include "binding/modules.h"
#include "binding/output.h"
#include "binding/reader.h"
#include "binding/scratch.h"
#include "binding/support.h"

enum { LARGE = 16 * 1024 }; /* bytes of a string that is not copied */

static int read_version(lua_State *L, int options) {
    static const char *const names[] = {"version", NULL};
    if (lua_isnoneornil(L, options)) return 3;
    support_check_options(L, options, names);
    return (int)support_option_integer(L, options, "version", 2, 3, 3);
}

/* resp.encode(value, { version = 2 or 3 }) -> text; raises for what cannot be encoded */
static int encode(lua_State *L) {
    struct text *text = lua_touserdata(L, lua_upvalueindex(1));
    size_t start = text->length;
    int version = read_version(L, 2);
    if (resp_encode(L, 1, version, text) == 0) return scratch_push_string(L, text, start), 1;
    scratch_reset(text, start);
    return luaL_error(L, "%s", lua_tostring(L, -1));
}

/* A string that is sent at once, or referenced, instead of being copied twice. */
static void write_large(lua_State *L, struct connection *io, int index, size_t length) {
    char header[RESP_HEADER_MAX];
    output_bytes(L, io, header, resp_header_write(header, '$', (int64_t)length));
    output_string(L, io, index);
    output_bytes(L, io, "\r\n", 2);
}

/* resp.write(conn, value, version) -> whether so much is queued that a writer should wait */
static int write_value(lua_State *L) {
    struct connection_object *connection = connection_check(L, 1);
    struct text *text = lua_touserdata(L, lua_upvalueindex(1));
    lua_Integer version = luaL_optinteger(L, 3, 3);
    luaL_argcheck(L, version == 2 || version == 3, 3, "2 or 3 expected");
    size_t start = text->length, length = 0;
    if (lua_type(L, 2) == LUA_TSTRING) lua_tolstring(L, 2, &length);
    int failed = 0, is_open = !connection_obstacle(connection);
    if (length >= LARGE && is_open) write_large(L, &connection->io, 2, length);
    else failed = resp_encode(L, 2, (int)version, text) < 0;
    if (!failed && is_open) output_bytes(L, &connection->io, text->bytes + start, text->length - start);
    scratch_reset(text, start);
    if (failed) return luaL_error(L, "%s", lua_tostring(L, -1));
    lua_pushboolean(L, connection->io.output.length > connection->io.high_water);
    return 1;
}

static int append_word(lua_State *L, struct text *text, int index) {
    size_t length;
    const struct buffer_object *buffer = buffer_test(L, index);
    if (buffer) return resp_bulk_append(text, buffer_object_data(buffer), buffer_object_bytes(buffer));
    const char *word = lua_tolstring(L, index, &length);
    return resp_bulk_append(text, word, length);
}

/* resp.command(...) -> text: words are strings, numbers and buffers */
static int command(lua_State *L) {
    struct text *text = lua_touserdata(L, lua_upvalueindex(1));
    size_t start = text->length;
    char header[RESP_HEADER_MAX];
    int count = lua_gettop(L);
    luaL_checkstring(L, 1);
    for (int i = 2; i <= count; i++)
        if (!buffer_test(L, i)) luaL_checkstring(L, i);
    int failed = text_append(text, header, resp_header_write(header, '*', count)) < 0;
    for (int i = 1; i <= count && !failed; i++) failed = append_word(L, text, i) < 0;
    if (!failed) return scratch_push_string(L, text, start), 1;
    scratch_reset(text, start);
    return luaL_error(L, "not enough memory");
}

/* Decoding. */

static void read_options(lua_State *L, int table, const char *const *names, struct resp_options *options) {
    *options = (struct resp_options){.depth = RESP_DEPTH};
    if (lua_isnoneornil(L, table)) return;
    support_check_options(L, table, names);
    options->depth = (int)support_option_integer(L, table, "depth", 1, RESP_DEPTH_MAX, RESP_DEPTH);
    if (lua_getfield(L, table, "binary") != LUA_TNIL) {
        int is_known = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "buffer") == 0;
        if (!is_known) luaL_error(L, "option 'binary' must be \"buffer\"");
        options->makes_buffers = 1;
    }
    lua_pop(L, 1);
}

static int decode_fail(lua_State *L, size_t bad, const char *problem) {
    return support_fail(L, "protocol", "invalid RESP at byte %I: %s", (lua_Integer)bad + 1, problem);
}

/* resp.decode(text, { depth =, binary = }) -> value; or nil, message, "protocol" */
static int decode(lua_State *L) {
    static const char *const names[] = {"depth", "binary", NULL};
    size_t length, used = 0, bad = 0;
    luaL_checktype(L, 1, LUA_TSTRING);
    const unsigned char *bytes = (const unsigned char *)lua_tolstring(L, 1, &length);
    struct resp_options options;
    struct resp_scan scan = {.limit = length};
    read_options(L, 2, names, &options);
    resp_scan_begin(&scan);
    enum message_status status = resp_scan(&scan, bytes, length, &used);
    if (status == MESSAGE_MORE || status == MESSAGE_LARGE)
        return decode_fail(L, used, "the end of the text within a message");
    if (status == MESSAGE_BAD) return decode_fail(L, used, scan.problem);
    if (used < length) return decode_fail(L, used, "something behind the message");
    int results = resp_push_reply(L, &options, bytes, length, &bad);
    return results < 0 ? decode_fail(L, bad, lua_tostring(L, -1)) : results;
}

/* Reading from a connection. */

struct state {
    struct resp_scan scan;
    struct resp_options options;
};

static void format_begin(void *state) {
    resp_scan_begin(&((struct state *)state)->scan);
}

static enum message_status format_scan(void *state, const unsigned char *bytes, size_t length, size_t *used) {
    return resp_scan(&((struct state *)state)->scan, bytes, length, used);
}

static const char *format_explain(const void *state) {
    return ((const struct state *)state)->scan.problem;
}

static int format_push(lua_State *L, void *opaque, const unsigned char *bytes, size_t length) {
    struct state *state = opaque;
    if (state->scan.is_command) return resp_push_command(L, bytes, length);
    return resp_push_reply(L, &state->options, bytes, length, NULL);
}

static const struct message_format format = {
    "RESP", sizeof(struct state), format_begin, format_scan, format_explain, format_push,
};

/* resp.reader(conn, { commands =, limit =, depth =, binary = }) -> reader */
static int reader(lua_State *L) {
    static const char *const names[] = {"commands", "limit", "depth", "binary", NULL};
    struct resp_options options;
    void *opaque;
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) lua_newtable(L), lua_replace(L, 2);
    read_options(L, 2, names, &options);
    reader_push(L, &format, &opaque);
    struct state *state = opaque;
    state->options = options;
    state->scan.is_command = support_option_boolean(L, 2, "commands", 0);
    state->scan.limit = (size_t)support_option_integer(L, 2, "limit", 1, (lua_Integer)1 << 40, READER_LIMIT);
    return 1;
}

/* Marks. */

/* resp.error(text) -> error: its kind is its first word */
static int make_error(lua_State *L) {
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    resp_error_push(L, text, length);
    return 1;
}

/* resp.simple(text) -> a simple string */
static int make_simple(lua_State *L) {
    luaL_checkstring(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "message");
    resp_mark_set(L, RESP_SIMPLE);
    return 1;
}

static int mark(lua_State *L, enum resp_mark mark) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    int is_free = !lua_getmetatable(L, 1) || json_mark_of(L, 1) != JSON_UNMARKED || resp_mark_of(L, 1) == mark;
    luaL_argcheck(L, is_free, 1, "the table has a metatable of its own");
    lua_settop(L, 1);
    resp_mark_set(L, mark);
    return 1;
}

/* resp.push(t) -> t, which is a push of RESP3 */
static int make_push(lua_State *L) {
    return mark(L, RESP_PUSH);
}

/* resp.set(t) -> t, which is a set of RESP3 */
static int make_set(lua_State *L) {
    return mark(L, RESP_SET);
}

int luaopen_core_resp(lua_State *L) {
    static const luaL_Reg functions[] = {{"decode", decode},      {"reader", reader},   {"error", make_error},
                                         {"simple", make_simple}, {"push", make_push},  {"set", make_set},
                                         {"encode", NULL},        {"command", NULL},    {"write", NULL},
                                         {"null", NULL},          {"null_array", NULL}, {NULL, NULL}};
    static const luaL_Reg shared[] = {{"encode", encode}, {"command", command}, {"write", write_value}, {NULL, NULL}};
    luaL_newlib(L, functions);
    scratch_push(L);
    luaL_setfuncs(L, shared, 1);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_newtable(L);
    resp_mark_set(L, RESP_NULL_ARRAY);
    lua_setfield(L, -2, "null_array");
    return 1;
}
