/* What is being decoded: the message, and how far it is. Private to msgpack_decode*.c. Functions that can fail return 0,
 * or -1 with the problem and its place told here.
 * Owner: msgpack_decode. Invariant: `values` is at most what is left, for each has a byte at least. */
#ifndef PERIGEE_BINDING_MSGPACK_DECODER_H
#define PERIGEE_BINDING_MSGPACK_DECODER_H

#include "binding/msgpack.h"

enum { MSGPACK_WORKING = 10 /* Lua stack slots for each level */ };

struct msgpack_decoder {
    lua_State *L;
    const unsigned char *at, *end;
    size_t values;   /* that are still to come in the containers around this place */
    uint32_t levels; /* that may still open */
    struct msgpack_options options;
    const unsigned char *place; /* where the last value begins, and what the problem is about */
    const char *problem, *code;
    char claim[MSGPACK_CLAIM_SIZE];
};

static inline size_t msgpack_decoder_left(const struct msgpack_decoder *decoder) {
    return (size_t)(decoder->end - decoder->at);
}

int msgpack_decoder_fail(struct msgpack_decoder *decoder, const char *problem);

int msgpack_decoder_value(struct msgpack_decoder *decoder); /* pushes it */

/* The size that follows the first byte, of so many bytes. */
int msgpack_decoder_size(struct msgpack_decoder *decoder, int width, uint32_t *size);

/* Around the parts of an array or map; each part is taken from `values` before it is decoded. */
int msgpack_decoder_open(struct msgpack_decoder *decoder, enum msgpack_kind kind, uint32_t size);
int msgpack_decoder_close(struct msgpack_decoder *decoder);

#endif
