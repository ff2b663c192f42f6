/* Frames of WebSocket (RFC 6455 5, 7.4): their headers, the masking of their payload, and the payload of a close frame.
 * Which frame may follow which, and who has to mask, is for the session to know. Owner: the caller. */
#ifndef PERIGEE_BYTES_WEBSOCKET_FRAME_H
#define PERIGEE_BYTES_WEBSOCKET_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8, /* from here on control frames */
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10
};

enum {
    WEBSOCKET_HEADER_MAX = 14,
    WEBSOCKET_CONTROL_MAX = 125, /* bytes of payload in a control frame */
    WEBSOCKET_NO_CODE = 1005     /* what a close frame without a code is said to have */
};

struct websocket_frame {
    uint64_t length;       /* bytes of the payload */
    unsigned char mask[4]; /* when masked */
    uint8_t opcode;
    uint8_t size;            /* bytes of the header */
    unsigned final : 1;      /* the message's last frame */
    unsigned compressed : 1; /* RSV1: the message is (RFC 7692) */
    unsigned masked : 1;
};

static inline int websocket_opcode_is_control(unsigned opcode) {
    return opcode >= WEBSOCKET_CLOSE;
}

/* Reads a header: 1 when it is complete, 0 when more bytes are needed, -1 when it breaks the protocol: *what is then a
 * static text that says how. */
int websocket_frame_parse(struct websocket_frame *frame, const unsigned char *bytes, size_t length, const char **what);

/* Writes the header (frame->size does not matter) and returns its bytes. */
size_t websocket_frame_write(unsigned char header[WEBSOCKET_HEADER_MAX], const struct websocket_frame *frame);

/* Masks a piece of a payload, or takes the mask off, in place; the piece begins `offset` bytes into the payload. */
void websocket_mask(unsigned char *bytes, size_t length, const unsigned char mask[4], size_t offset);

/* May a close frame have this code? */
int websocket_close_code_is_valid(unsigned code);

/* Reads a close frame's payload: 0 with the code (the reason is what follows the first two bytes), or -1 with a static
 * text that says what is wrong with it. */
int websocket_close_parse(const unsigned char *payload, size_t length, unsigned *code, const char **what);

#endif
