/* MessagePack messages from a connection. */
#include "binding/msgpack.h"
#include "binding/reader.h"
#include "binding/support.h"

struct reader_state {
    struct msgpack_scan scan;
    struct msgpack_options options;
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

static int format_push(lua_State *L, void *state, const unsigned char *bytes, size_t length) {
    const char *code; /* the reader has but one for what is no message */
    return msgpack_decode(L, &((struct reader_state *)state)->options, bytes, length, &code);
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
    static const char *const names[] = {"limit", "depth", "binary", "uint64", "list", NULL};
    struct msgpack_options options;
    void *place;
    lua_settop(L, 2);
    msgpack_options_read(L, 2, names, &options);
    lua_Integer limit = support_option_integer(L, 2, "limit", 1, (lua_Integer)1 << 40, READER_LIMIT);
    reader_push(L, &format, &place);
    struct reader_state *state = place;
    state->options = options;
    state->scan.depth = options.depth;
    state->scan.limit = (uint64_t)limit;
    return 1;
}
