/* MessagePack, straight to and from the Lua stack. Integers are exact; a string that is UTF-8 is text, another one and
 * a buffer are binary; null within a table is a light userdata that is NULL. The marks of arrays and objects are those
 * of JSON. An unmarked table with the keys 1..n is an array, any other a map. No metamethod is followed. */
#ifndef PERIGEE_BINDING_MSGPACK_H
#define PERIGEE_BINDING_MSGPACK_H

#include "bytes/msgpack.h"
#include "bytes/text.h"

#include <lua.h>

/* Appends the value at `index`: 0; or -1 with a message on the stack when it cannot be encoded. The caller owns `out`,
 * and has to be ready for Lua to raise when memory is short. */
int msgpack_encode(lua_State *L, int index, struct text *out);
/* The same with an array of the `count` values from `first` on; its nils are nil. With `arguments`, the index of a
 * table, the array ends with one of the values 1..n there, n being its field or else its length; 0: it does not. */
int msgpack_encode_list(lua_State *L, int first, int count, int arguments, struct text *out);

enum msgpack_list {
    MSGPACK_WHOLE, /* one value */
    MSGPACK_LIST,  /* an array, as a value for each element */
    MSGPACK_CALL   /* the same, for MessagePack-RPC: see msgpack.DecodeOptions */
};

struct msgpack_options {
    uint32_t depth; /* levels, 1 to MSGPACK_DEPTH_MAX */
    uint8_t gives_buffers, gives_floats /* for integers beyond 64 bits with a sign */, list;
};

/* Pushes the values of a whole message: how many; or -1 with a message on the stack, and *code is the failure's. */
int msgpack_decode(lua_State *L, const struct msgpack_options *options, const unsigned char *bytes, size_t length,
                   const char **code);

/* Pushes what a whole message begins with that cannot be decoded: three values, each an integer or a string; nil for what
 * is neither and for all behind it. Returns their count. */
int msgpack_push_start(lua_State *L, const unsigned char *bytes, size_t length);

/* Reads the options at `index`, a table or nothing; `names` are those that may be there. */
void msgpack_options_read(lua_State *L, int index, const char *const *names, struct msgpack_options *options);

/* msgpack.reader(conn, options) */
int msgpack_reader(lua_State *L);

/* The classes of what Lua has no type for: tables of two fields. */
enum msgpack_class { MSGPACK_PLAIN, MSGPACK_ARRAY_MARK, MSGPACK_OBJECT_MARK, MSGPACK_TIMESTAMP, MSGPACK_EXT };

void msgpack_classes_open(lua_State *L); /* makes them */
enum msgpack_class msgpack_class_of(lua_State *L, int table);
void msgpack_push_timestamp(lua_State *L, lua_Integer seconds, lua_Integer nanoseconds);
void msgpack_push_ext(lua_State *L, int type, const void *bytes, size_t length);
/* 0; or -1 when the fields of the table are not what they should be. */
int msgpack_read_timestamp(lua_State *L, int table, lua_Integer *seconds, lua_Integer *nanoseconds);
/* The data, which is left on the stack; NULL when the fields are not what they should be. */
const char *msgpack_read_ext(lua_State *L, int table, int *type, size_t *length);
int msgpack_timestamp(lua_State *L); /* msgpack.timestamp(seconds, nanoseconds) */
int msgpack_ext(lua_State *L);       /* msgpack.ext(type, data) */

#endif
