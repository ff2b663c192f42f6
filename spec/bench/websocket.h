/* A WebSocket client's half: the handshake's request, masked frames, and where the server's frames begin and end.
 * Nothing is allocated. No extension is offered, so a server may neither compress nor use reserved bits. */
#ifndef BENCH_WEBSOCKET_H
#define BENCH_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WEBSOCKET_TEXT = 1, WEBSOCKET_HEAD_MAX = 14 };

struct websocket_frame {
    unsigned char head[10];
    size_t held;   /* of the head */
    uint64_t left; /* of the payload, once the head is whole */
    bool open;     /* the head is whole and the frame is not over */
};

/* Writes a handshake's request; returns its bytes, or 0 where it does not fit. */
size_t websocket_request(char *to, size_t size, const char *path, uint16_t port);

/* Begins a WebSocket on a blocking socket. False: the server has not answered with 101. */
bool websocket_open(int fd, const char *path, uint16_t port);

/* Writes a text frame, masked with `key`; returns its bytes, at most WEBSOCKET_HEAD_MAX more than `size`. */
size_t websocket_put(char *to, const char *payload, size_t size, uint32_t key);

/* Takes bytes of a frame up to its end. `payload` has `length` bytes of its content, within the data. Returns how many
 * it took, 0 for a frame other than a whole text, such as a close; the frame is over when it is not `open` after. */
size_t websocket_read(struct websocket_frame *frame, const char *data, size_t size, const char **payload,
                      size_t *length);

#endif
