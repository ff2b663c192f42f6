/* What encoding and decoding share. A message is the byte SERIAL_FORMAT, the count of values, and the values: a tag and
 * what belongs to it. Tables, functions and buffers are numbered from 0 in the order of their tags. */
#ifndef PERIGEE_BINDING_SERIALISE_PRIVATE_H
#define PERIGEE_BINDING_SERIALISE_PRIVATE_H

#include "binding/serialise.h"
#include "binding/serialise_place.h"
#include "bytes/pack.h"

enum { SERIAL_FORMAT = 0xe1, SERIAL_WORKING = 12 /* Lua stack slots for each level */ };

enum serial_tag {
    TAG_NIL,
    TAG_FALSE,
    TAG_TRUE,
    TAG_NULL,      /* json.null */
    TAG_INTEGER,   /* 8 bytes */
    TAG_POSITIVE,  /* a size: 0 or more */
    TAG_FLOAT,     /* 8 bytes */
    TAG_STRING,    /* a run */
    TAG_TABLE,     /* JSON's mark, the count of elements 1..n (a size) and of other fields (a count); these */
    TAG_REFERENCE, /* a number: what has that number */
    TAG_BUFFER,    /* the element's name, and the bytes (runs) */
    TAG_MOVED,     /* the block, the element's name (a run), the offset in bytes and the count of elements */
    TAG_FUNCTION,  /* a count of bytes, the bytecode, the count of upvalues (a size), the upvalues */
    TAG_UPVALUE,   /* of an upvalue: the number of the function that shares it, and which there */
    TAG_GLOBALS,   /* the globals of whoever receives it */
    TAG_NAMED      /* a module and a field of it, "" for itself (runs) */
};

struct encoder {
    lua_State *L;
    struct parcel *parcel;
    const struct serial_style *style;
    int seen;          /* stack index: objects to their numbers, true for the globals, or a name */
    int names;         /* stack index: what has a name; of no meaning without code */
    lua_Integer count; /* of objects that have a number */
    int levels;        /* that may still open */
};

/* Raises: the parcel's owner gives its memory back. */
void encoder_check(const struct encoder *encoder, int result);

int encode_value(struct encoder *encoder, int index, const struct place *place);
/* A Lua function. The caller has looked whether it was seen, and whether it has a name. */
int encode_function(struct encoder *encoder, int index, const struct place *place);
/* A table that holds the globals of a script. */
void encode_globals(struct encoder *encoder, int index);
/* A table, function or buffer that was seen or has a name: 1 when it is written then, 0 when it is to be written. */
int encode_known(struct encoder *encoder, int index);
/* Gives the value at `index` the next number. */
void encoder_register(struct encoder *encoder, int index);
/* Pushes "PLACE: WHAT cannot travel", returns -1. */
int encoder_refuse(const struct encoder *encoder, const struct place *place, const char *what);

struct decoder {
    lua_State *L;
    struct unpack from;
    const struct serial_source *source;
    int seen;            /* stack index: a list of what has a number; the owners of blocks under -1, -2 ... */
    uint64_t count;      /* of objects that have a number */
    size_t budget;       /* elements that the bytes left can hold, so that a count cannot ask for much memory */
    int levels;          /* that may still open */
    const char *problem; /* of what is at from.at */
    const char *upvalue; /* the name of the one that is decoded; NULL: none is */
};

int decode_value(struct decoder *decoder);
int decode_function(struct decoder *decoder);
int decode_named(struct decoder *decoder);
int decoder_fail(struct decoder *decoder, const char *problem); /* -1 */
void decoder_register(struct decoder *decoder);                 /* gives the value on top the next number */
int decode_number(struct decoder *decoder, uint64_t *number);   /* a size */

#endif
