/* Messages of RESP. The first byte chooses commands or replies, the depth that is allowed, and how a stream of them is
 * cut: wherever that is, the scanner finds the same ends. What is whole is decoded; encoded, it is the same again. */
/* Built with: core/binding/resp_[dem]*.c core/binding/json_[mk]*.c core/binding/encoder.c */
/* Built with: core/binding/key_spread.c -I/usr/include/lua5.4 -llua5.4 -lm */
#include "binding/resp.h"
#include "binding/buffer.h"
#include "binding/element.h"
#include "fuzz.h"

#include <lauxlib.h>
#include <string.h>

static lua_State *L;

/* There are no buffers here. */

struct buffer_object *buffer_test(lua_State *state, int index) {
    (void)state, (void)index;
    return NULL;
}

unsigned char *buffer_object_data(const struct buffer_object *buffer) {
    (void)buffer;
    return NULL;
}

size_t buffer_object_bytes(const struct buffer_object *buffer) {
    (void)buffer;
    return 0;
}

struct buffer_object *buffer_push_new(lua_State *state, size_t count, const struct element *element) {
    (void)count, (void)element;
    luaL_error(state, "there are no buffers");
    return NULL;
}

const struct element *element_find(const char *name) {
    (void)name;
    return NULL;
}

/* In memory of the exact size, so that a read beyond it is seen. */
static uint8_t *copy(const uint8_t *bytes, size_t length) {
    uint8_t *piece = malloc(length + !length);
    if (length) memcpy(piece, bytes, length);
    return piece;
}

static enum message_status scan_pieces(struct resp_scan *scan, const uint8_t *bytes, size_t length, size_t size,
                                       size_t *used) {
    enum message_status status = MESSAGE_MORE;
    resp_scan_begin(scan);
    for (*used = 0; status == MESSAGE_MORE && *used < length;) {
        size_t more = length - *used < size ? length - *used : size, here = 0;
        uint8_t *piece = copy(bytes + *used, more);
        status = resp_scan(scan, piece, more, &here);
        check(status != MESSAGE_MORE || here == more);
        check(here <= more);
        free(piece);
        *used += here;
    }
    return status;
}

static int push_reply(const uint8_t *bytes, size_t length, int depth) {
    struct resp_options options = {.depth = depth};
    size_t bad = 0;
    uint8_t *piece = copy(bytes, length);
    int results = resp_push_reply(L, &options, piece, length, &bad);
    check(results > 0 || (lua_isstring(L, -1) && bad <= length));
    free(piece);
    return results;
}

/* Maps come in any order, so that lengths alone are compared. */
static void check_reply(const uint8_t *bytes, size_t length, int depth) {
    struct text first = {0}, second = {0};
    lua_settop(L, 0);
    if (push_reply(bytes, length, depth) < 0) return;
    check(resp_encode(L, 1, 3, &first) == 0);
    lua_settop(L, 0);
    check(push_reply((const uint8_t *)first.bytes, first.length, RESP_DEPTH) > 0);
    check(resp_encode(L, 1, 3, &second) == 0 && first.length == second.length);
    check(resp_encode(L, 1, 2, &second) == 0);
    text_destroy(&first);
    text_destroy(&second);
}

static int push_command(const uint8_t *bytes, size_t length) {
    uint8_t *piece = copy(bytes, length);
    int results = resp_push_command(L, piece, length);
    check(results >= 0 ? lua_gettop(L) == results : lua_isstring(L, -1));
    free(piece);
    return results;
}

static void check_command(const uint8_t *bytes, size_t length) {
    char header[RESP_HEADER_MAX];
    struct text text = {0};
    struct resp_scan scan = {.limit = SIZE_MAX, .is_command = 1};
    size_t used, size;
    lua_settop(L, 0);
    int count = push_command(bytes, length);
    if (count <= 0) return;
    text_append(&text, header, resp_header_write(header, '*', count));
    for (int i = 1; i <= count; i++) {
        const char *word = lua_tolstring(L, i, &size);
        resp_bulk_append(&text, word, size);
    }
    check(scan_pieces(&scan, (const uint8_t *)text.bytes, text.length, 5, &used) == MESSAGE_DONE &&
          used == text.length);
    lua_settop(L, 0);
    check(push_command((const uint8_t *)text.bytes, text.length) == count);
    text_destroy(&text);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    L = luaL_newstate();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    uint8_t choice = input_byte(&input);
    struct resp_scan scan = {.limit = choice & 4 ? 64 : 4096, .is_command = choice & 1}, cut = scan;
    enum message_status status = MESSAGE_DONE;
    while (status == MESSAGE_DONE && input.size) {
        size_t used, used_cut;
        status = scan_pieces(&scan, input.data, input.size, input.size, &used);
        check(scan_pieces(&cut, input.data, input.size, 1 + (choice >> 3), &used_cut) == status);
        check(used == used_cut && used <= input.size && !strcmp(scan.problem, cut.problem));
        check((status == MESSAGE_BAD) == (scan.problem[0] != 0));
        if (status == MESSAGE_DONE && scan.is_command) check_command(input.data, used);
        else if (status == MESSAGE_DONE) check_reply(input.data, used, choice & 2 ? 3 : RESP_DEPTH);
        input.data += used;
        input.size -= used;
    }
    lua_settop(L, 0);
    return 0;
}
