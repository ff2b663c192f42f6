/* Sizes of the byte floor. `make TINY=1` shrinks them so far that every partial path runs on every operation. */
#ifndef PERIGEE_BYTES_TINY_H
#define PERIGEE_BYTES_TINY_H

enum {
#ifdef PERIGEE_TINY
    INPUT_BLOCK_SIZE = 7,
    OUTPUT_BLOCK_SIZE = 7,
    SHARED_BLOCK_SIZE = 64,
    READ_LIMIT = 1,      /* bytes that one read(2) may bring */
    WRITE_LIMIT = 3,     /* bytes that one write(2) may take */
    REFERENCE_FROM = 11, /* strings from this size on are referenced, not copied */
#else
    INPUT_BLOCK_SIZE = 64 * 1024,
    OUTPUT_BLOCK_SIZE = 2000, /* with its header just below 2 KiB */
    SHARED_BLOCK_SIZE = 64 * 1024,
    READ_LIMIT = 0x7ffff000, /* what read(2) and write(2) transfer at most */
    WRITE_LIMIT = 0x7ffff000,
    REFERENCE_FROM = 4 * 1024,
#endif
};

#endif
