/* A WebSocket (RFC 6455, RFC 7692): a connection whose bytes are messages. Pings are answered, the closing handshake is
 * made, what breaks the protocol closes it with the code that the standard names.
 * Owner: whoever embeds it, moves the connection in and sets limit, timeout and is_client. A parked one with nothing
 * pending has no memory beside itself. */
#ifndef PERIGEE_HTTP_WEBSOCKET_H
#define PERIGEE_HTTP_WEBSOCKET_H

#include "bytes/text.h"
#include "bytes/utf8.h"
#include "bytes/websocket_deflate.h"
#include "bytes/websocket_frame.h"
#include "io/connection.h"

/* What all sockets of a thread share. */
struct websocket_memory {
    struct websocket_deflate_cache cache;
    struct text scratch; /* for one message */
};

/* What only some sockets need: those that compress, and those whose messages come in pieces. */
struct websocket_extra {
    struct websocket_deflate *deflate; /* NULL: nothing is compressed */
    struct text message;               /* of frames that have come */
};

struct websocket {
    struct connection io;          /* its timeout: seconds of silence before a ping, INFINITY: none */
    struct websocket_extra *extra; /* NULL: none */
    uint32_t limit;                /* bytes of a message */
    uint32_t handed;               /* bytes of the pending input that were handed out */
    uint16_t close_code;           /* why it ended; 0: it has not */
    unsigned is_client : 1;
    unsigned opcode : 4;     /* of the message that is coming; 0: none */
    unsigned compressed : 1; /* it is */
    unsigned pinged : 1;     /* nothing has come since a ping */
    unsigned close_sent : 1;
    unsigned kept : 1; /* the message put together was handed out: it is emptied by the next read */
};

enum { WEBSOCKET_LIMIT = 1024 * 1024 /* bytes of a message */, WEBSOCKET_ABNORMAL = 1006 };

void websocket_memory_init(struct websocket_memory *memory);
void websocket_memory_trim(struct websocket_memory *memory);

/* Agrees on compression, before anything is sent. 0, or -1 when out of memory. */
int websocket_set_deflate(struct websocket *socket, const struct websocket_deflate_terms *terms,
                          struct websocket_memory *memory);
void websocket_destroy(struct websocket *socket); /* what is beside it; the connection has been closed */

struct websocket_message {
    const void *bytes; /* until the next read */
    size_t length;
    int is_binary;
};

/* The next message. DONE; WAIT for more input; END: the closing handshake is done, close_code says how; BROKEN:
 * close_code says why, and *what (NULL: the connection broke). */
enum io_status websocket_receive(struct websocket *socket, struct websocket_message *message, const char **what);

/* Queue a whole message. 0, or -1 when out of memory. */
int websocket_send(struct websocket *socket, struct websocket_memory *memory, enum websocket_opcode opcode,
                   const void *bytes, size_t length);
/* Queues only the header of a frame whose payload the caller sends as it is: only when this returns 1. */
int websocket_send_header(struct websocket *socket, enum websocket_opcode opcode, size_t length);

/* Begins the closing handshake, once; what comes after is not read. The reason has at most 123 bytes. */
void websocket_send_close(struct websocket *socket, unsigned code, const char *reason, size_t length);

/* The value of Sec-WebSocket-Accept for a key, RFC 6455 4.2.2. */
enum { WEBSOCKET_ACCEPT_SIZE = 29 };
void websocket_accept_value(const char *key, size_t length, char value[WEBSOCKET_ACCEPT_SIZE]);

#endif
