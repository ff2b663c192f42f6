/* MessagePack messages from a connection. */
#include "binding/msgpack.h"
#include "binding/reader.h"
#include "binding/support.h"

struct reader_state {
    struct msgpack_scan scan;
    struct msgpack_options options;
    int skips; /* messages that cannot be decoded */
};

static void format_begin(void *state) {
    msgpack_scan_begin(&((struct reader_state *)state)->scan);
}

static enum message_status format_scan(void *state, const unsigned char *bytes, size_t length, size_t *used) {
    return msgpack_scan(&((struct reader_state *)state)->scan, bytes, length, used);
}

static const char *format_explain(const void *state) {
    return ((const struct reader_state *)state)->scan.problem;
}

/* The message on top says why it cannot be decoded; where it ends is known all the same. No element of a list is null. */
static int push_skipped(lua_State *L, const char *code, const unsigned char *bytes, size_t length) {
    lua_pushlightuserdata(L, NULL);
    lua_insert(L, -2);
    lua_pushstring(L, code);
    return 3 + msgpack_push_start(L, bytes, length);
}

static int format_push(lua_State *L, void *state, const unsigned char *bytes, size_t length) {
    const struct reader_state *reader = state;
    const char *code = "protocol"; /* the reader has but one for what is no message */
    int count = msgpack_decode(L, &reader->options, bytes, length, &code);
    if (count > 0) return count;
    if (!count) lua_pushliteral(L, "invalid MessagePack at byte 1: an array without elements");
    return reader->skips ? push_skipped(L, code, bytes, length) : -1;
}

int msgpack_reader(lua_State *L) {
    static const struct message_format format = {
        .name = "MessagePack",
        .state_size = sizeof(struct reader_state),
        .begin = format_begin,
        .scan = format_scan,
        .explain = format_explain,
        .push = format_push,
    };
    static const char *const names[] = {"limit", "depth", "binary", "uint64", "list", "skip", NULL};
    struct msgpack_options options;
    void *place;
    lua_settop(L, 2);
    msgpack_options_read(L, 2, names, &options);
    lua_Integer limit = support_option_integer(L, 2, "limit", 1, (lua_Integer)1 << 40, READER_LIMIT);
    reader_push(L, &format, &place);
    struct reader_state *state = place;
    state->options = options;
    state->skips = support_option_boolean(L, 2, "skip", 0);
    state->scan.depth = options.depth;
    state->scan.limit = (uint64_t)limit;
    return 1;
}
