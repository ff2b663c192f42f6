/* The numbers of JSON (RFC 8259, section 6). Reading: the grammar is checked and the value computed where that is exact
 * and quick. Writing: as few digits as are read back as the same value, 17 at most; a float always has a point or an
 * exponent, so that it stays one. Nothing depends on the locale. */
#ifndef PERIGEE_BYTES_JSON_NUMBER_H
#define PERIGEE_BYTES_JSON_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Wide: an integer beyond 64 bits, or a float for strtod(3), which the caller has to ask. */
enum json_number_kind { JSON_NUMBER_INTEGER, JSON_NUMBER_FLOAT, JSON_NUMBER_WIDE };

struct json_number {
    enum json_number_kind kind;
    union {
        int64_t integer;
        double number;
    } as;
};

enum { JSON_NUMBER_SIZE = 32 }; /* bytes that any number fits in */

/* Reads the number that begins at *at, and moves *at behind it: 0; or -1 with *at where a digit is missing. */
int json_number_read(struct json_number *number, const unsigned char **at, const unsigned char *end);

/* Both return the bytes written. The float is finite. */
size_t json_number_write_integer(char *to, int64_t integer);
size_t json_number_write_float(char *to, double number);

#endif
