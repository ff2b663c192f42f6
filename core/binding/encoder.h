/* What the encoders of Lua values have in common. A format's own functions return 0, or -1 once they have failed: then
 * the path to what cannot be encoded ("items[3].price") is on top of the stack, and each level on the way up puts its
 * key in front. A format that has to know more embeds this as the first member of its own. */
#ifndef PERIGEE_BINDING_ENCODER_H
#define PERIGEE_BINDING_ENCODER_H

#include "bytes/text.h"

#include <lauxlib.h>

enum { ENCODER_DEPTH = 512 /* levels of nesting */, ENCODER_WORKING = 10 /* Lua stack slots for each level */ };

struct encoder {
    lua_State *L;
    struct text *out; /* borrowed */
    const char *problem;
    int depth;
    const void *open[ENCODER_DEPTH]; /* the tables around this place: a cycle comes to one of them again */
};

/* They return -1. A key is no container; it may be a string afterwards. Cold: their branch is the one not taken. */
__attribute__((cold)) int encoder_fail(struct encoder *encoder, const char *problem); /* a literal: "a function" */
__attribute__((cold)) int encoder_fail_at_index(struct encoder *encoder, lua_Integer index);
__attribute__((cold)) int encoder_fail_at_key(struct encoder *encoder, int key);

/* Leaves "cannot encode PROBLEM at PATH" as the only value above `base`. */
__attribute__((cold)) void encoder_push_message(struct encoder *encoder, int base);

/* Raises when memory is short, as the appends do. */
static inline void *encoder_reserve(struct encoder *encoder, size_t length) {
    if (text_reserve(encoder->out, length) < 0) luaL_error(encoder->L, "not enough memory");
    return encoder->out->bytes + encoder->out->length;
}

static inline int encoder_append(struct encoder *encoder, const void *bytes, size_t length) {
    memcpy(encoder_reserve(encoder, length), bytes, length);
    encoder->out->length += length;
    return 0;
}

static inline int encoder_append_byte(struct encoder *encoder, int byte) {
    *(char *)encoder_reserve(encoder, 1) = (char)byte;
    encoder->out->length++;
    return 0;
}

/* Returns the top of the stack as it is, which encoder_end goes back to. */
static inline int encoder_begin(struct encoder *encoder, lua_State *L, struct text *out, const char *format) {
    luaL_checkstack(L, ENCODER_WORKING, format);
    encoder->L = L;
    encoder->out = out;
    encoder->depth = 0;
    return lua_gettop(L);
}

/* Before what is in a table; the format takes one off the depth behind it. */
static inline int encoder_enter(struct encoder *encoder, int table) {
    const void *here = lua_topointer(encoder->L, table);
    for (int i = 0; i < encoder->depth; i++)
        if (encoder->open[i] == here) return encoder_fail(encoder, "a cycle");
    if (encoder->depth == ENCODER_DEPTH) return encoder_fail(encoder, "a table that is nested too deep");
    if (!lua_checkstack(encoder->L, ENCODER_WORKING)) return encoder_fail(encoder, "what does not fit the Lua stack");
    encoder->open[encoder->depth++] = here;
    return 0;
}

/* Returns the result; after a failure the message is above `base`. */
static inline int encoder_end(struct encoder *encoder, int base, int result) {
    if (result < 0) encoder_push_message(encoder, base);
    else lua_settop(encoder->L, base);
    return result;
}

#endif
