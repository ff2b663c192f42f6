#include "bytes/websocket_frame.h"
#include "bytes/utf8.h"

#include <assert.h>
#include <string.h>

enum { FINAL = 0x80, RSV1 = 0x40, RSV2_RSV3 = 0x30, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f };
enum { LENGTH_16 = 126, LENGTH_64 = 127 }; /* instead of a length: it follows in two or eight bytes */

/* What is wrong with the first byte; NULL: nothing. */
static const char *opening_problem(unsigned byte) {
    unsigned opcode = byte & OPCODE;
    int control = websocket_opcode_is_control(opcode);
    if (byte & RSV2_RSV3) return "a frame with a reserved bit";
    if (opcode > WEBSOCKET_PONG || (opcode > WEBSOCKET_BINARY && !control)) return "a frame with a reserved opcode";
    if (control && !(byte & FINAL)) return "a control frame in fragments";
    if ((byte & RSV1) && control) return "a compressed control frame";
    if ((byte & RSV1) && opcode == WEBSOCKET_CONTINUATION) return "a continuation that says that it is compressed";
    return NULL;
}

static uint64_t read_number(const unsigned char *bytes, size_t size) {
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++) number = number << 8 | bytes[i];
    return number;
}

static void write_number(unsigned char *bytes, size_t size, uint64_t number) {
    for (size_t i = size; i--; number >>= 8) bytes[i] = (unsigned char)number;
}

/* How many bytes follow the second for the length. */
static unsigned more_length(unsigned short_length) {
    return short_length == LENGTH_16 ? 2 : short_length == LENGTH_64 ? 8 : 0;
}

static const char *length_problem(unsigned short_length, uint64_t length) {
    if (length >> 63) return "a frame longer than 2^63 bytes";
    if (short_length == LENGTH_16 && length < LENGTH_16) return "a frame's length in more bytes than it needs";
    if (short_length == LENGTH_64 && length <= UINT16_MAX) return "a frame's length in more bytes than it needs";
    return NULL;
}

/* What the first two bytes tell. */
static void read_start(struct websocket_frame *frame, const unsigned char *bytes) {
    frame->opcode = bytes[0] & OPCODE;
    frame->final = (bytes[0] & FINAL) != 0;
    frame->compressed = (bytes[0] & RSV1) != 0;
    frame->masked = (bytes[1] & MASKED) != 0;
    frame->size = (uint8_t)(2 + more_length(bytes[1] & LENGTH) + (frame->masked ? sizeof frame->mask : 0));
}

/* The rest of a header, all of whose bytes are there. */
static const char *read_rest(struct websocket_frame *frame, const unsigned char *bytes) {
    unsigned short_length = bytes[1] & LENGTH, more = more_length(short_length);
    frame->length = more ? read_number(bytes + 2, more) : short_length;
    if (frame->masked) memcpy(frame->mask, bytes + 2 + more, sizeof frame->mask);
    return more ? length_problem(short_length, frame->length) : NULL;
}

static const char *start_problem(const unsigned char *bytes, size_t length) {
    const char *problem = length ? opening_problem(bytes[0]) : NULL;
    if (problem || length < 2) return problem;
    int too_long = websocket_opcode_is_control(bytes[0] & OPCODE) && (bytes[1] & LENGTH) > WEBSOCKET_CONTROL_MAX;
    return too_long ? "a control frame longer than 125 bytes" : NULL;
}

int websocket_frame_parse(struct websocket_frame *frame, const unsigned char *bytes, size_t length, const char **what) {
    const char *problem = start_problem(bytes, length);
    if (!problem) {
        if (length < 2) return 0;
        read_start(frame, bytes);
        if (length < frame->size) return 0;
        problem = read_rest(frame, bytes);
    }
    if (!problem) return 1;
    *what = problem;
    return -1;
}

size_t websocket_frame_write(unsigned char header[WEBSOCKET_HEADER_MAX], const struct websocket_frame *frame) {
    unsigned short_length = frame->length < LENGTH_16     ? (unsigned)frame->length
                            : frame->length <= UINT16_MAX ? LENGTH_16
                                                          : LENGTH_64;
    size_t size = 2, more = more_length(short_length);
    header[0] = (unsigned char)((frame->final ? FINAL : 0) | (frame->compressed ? RSV1 : 0) | frame->opcode);
    header[1] = (unsigned char)((frame->masked ? MASKED : 0) | short_length);
    assert(!opening_problem(header[0]) && !(frame->length >> 63));
    write_number(header + size, more, frame->length);
    size += more;
    if (!frame->masked) return size;
    memcpy(header + size, frame->mask, sizeof frame->mask);
    return size + sizeof frame->mask;
}

/* What the compiler moves in one instruction. */
typedef uint64_t block __attribute__((vector_size(16)));

enum { BLOCKS = 4, STRIDE = BLOCKS * sizeof(block) };

static void mask_stride(unsigned char *bytes, block key) {
    block blocks[BLOCKS];
    memcpy(blocks, bytes, STRIDE);
    for (int i = 0; i < BLOCKS; i++) blocks[i] ^= key;
    memcpy(bytes, blocks, STRIDE);
}

static void mask_eight(unsigned char *bytes, uint64_t key) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    word ^= key;
    memcpy(bytes, &word, sizeof word);
}

void websocket_mask(unsigned char *bytes, size_t length, const unsigned char mask[4], size_t offset) {
    unsigned char turned[4] = {mask[offset & 3], mask[(offset + 1) & 3], mask[(offset + 2) & 3],
                               mask[(offset + 3) & 3]};
    uint32_t four;
    memcpy(&four, turned, sizeof four);
    uint64_t eight = (uint64_t)four << 32 | four;
    for (; length >= STRIDE; bytes += STRIDE, length -= STRIDE) mask_stride(bytes, (block){eight, eight});
    for (; length >= 8; bytes += 8, length -= 8) mask_eight(bytes, eight);
    for (size_t i = 0; i < length; i++) bytes[i] ^= turned[i & 3];
}

int websocket_close_code_is_valid(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

int websocket_close_parse(const unsigned char *payload, size_t length, unsigned *code, const char **what) {
    struct utf8 utf8 = {0};
    *code = length < 2 ? WEBSOCKET_NO_CODE : (unsigned)read_number(payload, 2);
    if (length == 0) return 0;
    if (length == 1) *what = "a close frame with half a code";
    else if (!websocket_close_code_is_valid(*code)) *what = "a close frame with an invalid code";
    else if (utf8_check(&utf8, payload + 2, length - 2) < 0 || !utf8_is_complete(&utf8))
        *what = "a close frame whose reason is not UTF-8";
    else return 0;
    return -1;
}
