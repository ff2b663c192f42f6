#include "bytes/msgpack_write.h"

#include <endian.h>
#include <string.h>

/* `width` bytes of the number, big end first. */
static size_t write_big(unsigned char *to, uint64_t value, int width) {
    uint64_t big = htobe64(value << 8 * (8 - width));
    memcpy(to, &big, (size_t)width);
    return (size_t)width;
}

static size_t write_wide(unsigned char *to, unsigned first, uint64_t value, int width) {
    to[0] = (unsigned char)first;
    return 1 + write_big(to + 1, value, width);
}

static size_t write_positive(unsigned char *to, uint64_t value) {
    if (value < 0x80) return to[0] = (unsigned char)value, 1;
    if (value <= UINT8_MAX) return write_wide(to, 0xcc, value, 1);
    if (value <= UINT16_MAX) return write_wide(to, 0xcd, value, 2);
    return value <= UINT32_MAX ? write_wide(to, 0xce, value, 4) : write_wide(to, 0xcf, value, 8);
}

size_t msgpack_write_integer(unsigned char *to, int64_t value) {
    if (value >= 0) return write_positive(to, (uint64_t)value);
    if (value >= -32) return to[0] = (unsigned char)value, 1;
    if (value >= INT8_MIN) return write_wide(to, 0xd0, (uint64_t)value, 1);
    if (value >= INT16_MIN) return write_wide(to, 0xd1, (uint64_t)value, 2);
    return value >= INT32_MIN ? write_wide(to, 0xd2, (uint64_t)value, 4) : write_wide(to, 0xd3, (uint64_t)value, 8);
}

size_t msgpack_write_float(unsigned char *to, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return write_wide(to, 0xcb, bits, 8);
}

/* The first byte of the short form, how many sizes it has, and those of 1, 2 and 4 bytes of size; 0: there is none. */
static const struct {
    uint8_t fixed, fixed_sizes, wide[3];
} forms[] = {
    [MSGPACK_TEXT] = {0xa0, 32, {0xd9, 0xda, 0xdb}},  [MSGPACK_BINARY] = {0, 0, {0xc4, 0xc5, 0xc6}},
    [MSGPACK_EXTENSION] = {0, 0, {0xc7, 0xc8, 0xc9}}, [MSGPACK_ARRAY] = {0x90, 16, {0, 0xdc, 0xdd}},
    [MSGPACK_MAP] = {0x80, 16, {0, 0xde, 0xdf}},
};

/* 1, 2, 4, 8 and 16 bytes have extensions of their own. */
static int is_fixed_extension(enum msgpack_kind kind, uint32_t size) {
    return kind == MSGPACK_EXTENSION && size && size <= 16 && !(size & (size - 1));
}

size_t msgpack_write_size(unsigned char *to, enum msgpack_kind kind, uint32_t size) {
    if (is_fixed_extension(kind, size)) return to[0] = (unsigned char)(0xd4 + __builtin_ctz(size)), 1;
    if (size < forms[kind].fixed_sizes) return to[0] = (unsigned char)(forms[kind].fixed | size), 1;
    if (size <= UINT8_MAX && forms[kind].wide[0]) return write_wide(to, forms[kind].wide[0], size, 1);
    return size <= UINT16_MAX ? write_wide(to, forms[kind].wide[1], size, 2)
                              : write_wide(to, forms[kind].wide[2], size, 4);
}

/* 32 bits of seconds; or 34 bits behind 30 of nanoseconds; or 64 behind 32. */
size_t msgpack_write_timestamp(unsigned char *to, int64_t seconds, uint32_t nanoseconds) {
    int is_wide = seconds < 0 || seconds >> 34, is_short = !nanoseconds && !is_wide && seconds <= UINT32_MAX;
    size_t length = msgpack_write_size(to, MSGPACK_EXTENSION, is_wide ? 12 : is_short ? 4 : 8);
    to[length++] = (unsigned char)MSGPACK_TIMESTAMP_TYPE;
    if (is_short) return length + write_big(to + length, (uint64_t)seconds, 4);
    if (!is_wide) return length + write_big(to + length, (uint64_t)nanoseconds << 34 | (uint64_t)seconds, 8);
    length += write_big(to + length, nanoseconds, 4);
    return length + write_big(to + length, (uint64_t)seconds, 8);
}
