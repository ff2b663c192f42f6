/* MessagePack: what its first bytes say, and where a message ends. The scanner takes a message in pieces that are cut
 * anywhere; it looks into no value and needs no memory. Owner: whoever embeds it; begin before each message. */
#ifndef PERIGEE_BYTES_MSGPACK_H
#define PERIGEE_BYTES_MSGPACK_H

#include "bytes/message_scan.h"

#include <stdint.h>

enum msgpack_kind {
    MSGPACK_SCALAR,
    MSGPACK_TEXT,
    MSGPACK_BINARY,
    MSGPACK_EXTENSION, /* the byte of its type comes before its bytes */
    MSGPACK_ARRAY,
    MSGPACK_MAP,  /* of so many pairs */
    MSGPACK_NEVER /* 0xc1 */
};

/* What a first byte says. The size follows it in `width` bytes, big end first, or is `size` when there are none. */
struct msgpack_head {
    uint8_t kind, width, size;
};

extern const struct msgpack_head msgpack_heads[256];

/* Levels of nesting: by default, and at most. */
enum { MSGPACK_DEPTH = 512, MSGPACK_DEPTH_MAX = 4096 };

/* Bytes of the texts that say what a value claims, and what is wrong with a message. */
enum { MSGPACK_CLAIM_SIZE = 96, MSGPACK_PROBLEM_SIZE = 160 };

/* Writes "a string of 5 bytes", "an array of 3 values" ... and `more` behind it. */
void msgpack_describe(char to[MSGPACK_CLAIM_SIZE], enum msgpack_kind kind, uint32_t size, const char *more);

struct msgpack_scan {
    /* To be set once: */
    uint64_t limit; /* bytes of a message; what claims to be longer is BAD at once */
    uint32_t depth; /* containers that open one right behind the other; one more is BAD at once */

    uint32_t run;                       /* of such containers here */
    uint64_t values;                    /* that are still to come */
    uint64_t skip;                      /* bytes of this value that are still to come */
    uint64_t before;                    /* bytes of the message before those that are scanned now */
    uint64_t place;                     /* of the value whose size is coming: its first byte, from 1 */
    uint32_t size;                      /* as far as its bytes have come */
    uint8_t width;                      /* bytes of the size that are still to come */
    uint8_t kind;                       /* of that value */
    char problem[MSGPACK_PROBLEM_SIZE]; /* after BAD: "invalid MessagePack at byte 17: ..." */
};

void msgpack_scan_begin(struct msgpack_scan *scan);

/* As `scan` of a message_format, see binding/reader.h. */
enum message_status msgpack_scan(struct msgpack_scan *scan, const unsigned char *bytes, size_t length, size_t *used);

#endif
