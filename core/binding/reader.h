/* Reading whole messages of a format from a connection: reader:next(). A message is looked for in the connection's
 * input, in place and without starting over when more bytes come, and is decoded onto the Lua stack once it is whole.
 * Owner: its object in Lua, which keeps the connection as its first user value. Invariant: the first `scanned` bytes of
 * the connection's input belong to the message that is being looked for, and the format's state has seen them. */
#ifndef PERIGEE_BINDING_READER_H
#define PERIGEE_BINDING_READER_H

#include "bytes/message_scan.h"

#include <lua.h>

enum { READER_LIMIT = 1024 * 1024 }; /* bytes of a message, by default */

struct message_format {
    const char *name;  /* of the format, for messages: "MessagePack" */
    size_t state_size; /* bytes of the scanner's state and of the options, which start as zeros */

    /* Prepares for the next message. The options that the state has stay. */
    void (*begin)(void *state);
    /* Looks at `length` more bytes of the message; *used is how many of them belong to it, all but when it is DONE. On
     * MESSAGE_BAD *used is where the offending byte is, and the result of `explain` says why. */
    enum message_status (*scan)(void *state, const unsigned char *bytes, size_t length, size_t *used);
    const char *(*explain)(const void *state);
    /* Pushes the values of a whole message, of which there may be none for one that is to be skipped: how many, or -1
     * with a message (a string) on the stack when it cannot be decoded. It relies on nothing that `scan` has found out:
     * somebody else may have read from the connection meanwhile. */
    int (*push)(lua_State *L, void *state, const unsigned char *bytes, size_t length);
};

/* FORMAT.reader(conn, options): pushes a reader, with the connection at argument 1. Option `limit` of the table at
 * argument 2, bytes of one message, is read here; *state is the format's, to be given its own options. */
int reader_push(lua_State *L, const struct message_format *format, void **state);

void reader_register(lua_State *L); /* the class perigee.Reader */

#endif
