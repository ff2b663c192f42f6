#include "websocket.h"
#include "response.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

size_t websocket_request(char *to, size_t size, const char *path, uint16_t port) {
    static const char format[] = "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                 "Sec-WebSocket-Version: 13\r\n\r\n";
    int length = snprintf(to, size, format, path, port);
    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

/* A byte at a time is slow, and reads nothing that comes after the head. */
bool websocket_open(int fd, const char *path, uint16_t port) {
    char request[1024], byte;
    struct response response = {0};
    size_t size = websocket_request(request, sizeof request, path, port);
    if (size == 0 || write(fd, request, size) != (ssize_t)size) return false;
    while (response.state == RESPONSE_HEAD && read(fd, &byte, 1) == 1) response_read_head(&response, &byte, 1);
    errno = EPROTO;
    return response.state == RESPONSE_DONE && response.status == 101;
}

static size_t put_length(char *to, size_t size) {
    if (size < 126) {
        to[1] = (char)(0x80 | size);
        return 2;
    }
    size_t bytes = size < 65536 ? 2 : 8;
    to[1] = (char)(0x80 | (bytes == 2 ? 126 : 127));
    for (size_t i = 0; i < bytes; i++) to[2 + i] = (char)((uint64_t)size >> 8 * (bytes - 1 - i));
    return 2 + bytes;
}

size_t websocket_put(char *to, const char *payload, size_t size, uint32_t key) {
    char mask[4];
    memcpy(mask, &key, 4);
    to[0] = (char)(0x80 | WEBSOCKET_TEXT);
    size_t head = put_length(to, size);
    memcpy(to + head, mask, 4);
    char *masked = to + head + 4;
    for (size_t i = 0; i < size; i++) masked[i] = payload[i] ^ mask[i & 3];
    return head + 4 + size;
}

static size_t bytes_of_length(const struct websocket_frame *frame) {
    if (frame->held < 2) return 1;
    return frame->head[1] == 126 ? 3 : frame->head[1] == 127 ? 9 : 1;
}

static uint64_t length_of(const struct websocket_frame *frame) {
    if (frame->head[1] < 126) return frame->head[1];
    uint64_t length = 0;
    for (size_t i = 2; i < frame->held; i++) length = length << 8 | frame->head[i];
    return length;
}

size_t websocket_read(struct websocket_frame *frame, const char *data, size_t size, const char **payload,
                      size_t *length) {
    size_t taken = 0;
    while (!frame->open && taken < size) {
        frame->head[frame->held++] = (unsigned char)data[taken++];
        if (frame->head[0] != (0x80 | WEBSOCKET_TEXT) || (frame->held > 1 && frame->head[1] > 127)) return 0;
        if (frame->held < 1 + bytes_of_length(frame)) continue;
        frame->left = length_of(frame);
        frame->open = true;
    }
    *payload = data + taken;
    *length = size - taken < frame->left ? size - taken : (size_t)frame->left;
    if (!frame->open) return taken;
    frame->left -= *length;
    if (frame->left == 0) frame->held = 0;
    frame->open = frame->left > 0;
    return taken + *length;
}
