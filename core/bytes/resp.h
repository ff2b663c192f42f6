/* RESP, the protocol of Redis, versions 2 and 3: finding the end of a message, and the pieces that messages are made
 * of. A command is an array of bulk strings, or a line of words (inline). What is bad is named in Redis's own words.
 * Owner: whoever embeds the scanner; all zero is the start, but for `is_command` and `limit`, which are its options. */
#ifndef PERIGEE_BYTES_RESP_H
#define PERIGEE_BYTES_RESP_H

#include "bytes/message_scan.h"
#include "bytes/text.h"

#include <stdint.h>

enum { RESP_INLINE_MAX = 64 * 1024 /* bytes of an inline command */ };

struct resp_scan {
    size_t limit;     /* bytes that a message may have: a length that cannot fit is noticed at once */
    int is_command;   /* what clients send; otherwise what servers do */
    int phase;        /* of resp.c */
    char type;        /* first byte of the value that is being looked at */
    char problem[48]; /* what is bad */
    uint64_t values;  /* that are still to begin */
    uint64_t left;    /* bytes of a bulk string and its line end that are still to come */
    uint64_t length;  /* the number in a header, as far as it has come */
    int digits;       /* of it */
    int is_negative;
    uint64_t line;      /* bytes of a line so far */
    unsigned char last; /* of those bytes */
};

void resp_scan_begin(struct resp_scan *scan); /* the next message */

/* As struct message_format says of `scan` and `explain`, binding/reader.h. */
enum message_status resp_scan(struct resp_scan *scan, const unsigned char *bytes, size_t length, size_t *used);

/* A value's first line, without its type and its end. The value has been scanned, so that the end is there. */
struct resp_line {
    const unsigned char *bytes;
    size_t length;
};

/* Takes the line that begins at *at, up to CR LF or `end`, and moves *at behind it: 0; -1: it does not end. */
int resp_line_take(struct resp_line *line, const unsigned char **at, const unsigned char *end);
/* The integer that is the whole line: 0, or -1. It may have a sign. */
int resp_integer_read(struct resp_line line, int64_t *integer);
/* The double that is the whole line: a number in decimal, inf, -inf or nan: 0, or -1. */
int resp_double_read(struct resp_line line, double *number);

/* Takes the next word of an inline command, without its quotes and escapes: 1, with its bytes in `word`, which has room
 * for all that is left of the command; 0: there is none left; -1: the quotes are unbalanced. */
int resp_word_take(char *word, size_t *length, const unsigned char **at, const unsigned char *end);

enum { RESP_HEADER_MAX = 24 }; /* bytes that any header fits in */

/* Writes the type, the number and CR LF: how many bytes. */
size_t resp_header_write(char *to, char type, int64_t number);
/* Appends a bulk string: 0, or -1 when out of memory. */
int resp_bulk_append(struct text *out, const void *bytes, size_t length);

#endif
