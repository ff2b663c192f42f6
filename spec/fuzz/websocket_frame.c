/* Frames of WebSocket. The input is a header, and the payload that follows it: the header that is understood is written
 * the same way again, what is cut short is not understood, and masks do as a naive one does. */
#include "bytes/websocket_frame.h"
#include "fuzz.h"

#include <string.h>

/* Memory of just that size, so that a byte too many is seen. */
static uint8_t *copy(const uint8_t *bytes, size_t length) {
    uint8_t *piece = malloc(length);
    if (length) memcpy(piece, bytes, length);
    return piece;
}

static int parse(struct websocket_frame *frame, const uint8_t *bytes, size_t length) {
    const char *what = NULL;
    uint8_t *piece = copy(bytes, length);
    int result = websocket_frame_parse(frame, piece, length, &what);
    check(result < 0 ? what && *what : !what);
    free(piece);
    return result;
}

/* With fewer bytes it is incomplete, or seen to be wrong at once. */
static void check_prefixes(const uint8_t *bytes, size_t length, int result, size_t size) {
    struct websocket_frame frame;
    for (size_t i = 0; i < length && i < size; i++) {
        int cut = parse(&frame, bytes, i);
        check(cut == 0 || (cut == -1 && result == -1));
    }
}

static void check_header(const struct websocket_frame *frame, const uint8_t *bytes, size_t length) {
    uint8_t header[WEBSOCKET_HEADER_MAX];
    size_t size = websocket_frame_write(header, frame);
    check(size == frame->size && size <= length && !memcmp(header, bytes, size));
    int control = websocket_opcode_is_control(frame->opcode);
    check(!control || (frame->final && !frame->compressed && frame->length <= WEBSOCKET_CONTROL_MAX));
    check(!(frame->length >> 63) && (frame->opcode <= 2 || (control && frame->opcode <= 10)));
}

/* In two pieces, that begin at any alignment. */
static void check_mask(const uint8_t *payload, size_t length, const uint8_t mask[4], struct input *input) {
    size_t before = input_number(input, 15), cut = input_number(input, length), offset = input_byte(input);
    uint8_t *memory = malloc(before + length), *bytes = memory + before;
    if (length) memcpy(bytes, payload, length);
    websocket_mask(bytes, cut, mask, offset);
    websocket_mask(bytes + cut, length - cut, mask, offset + cut);
    for (size_t i = 0; i < length; i++) check(bytes[i] == (uint8_t)(payload[i] ^ mask[(offset + i) % 4]));
    free(memory);
}

/* Is it read as what the RFC's table says, and the reason's bytes alone? */
static void check_close(const uint8_t *payload, size_t length) {
    unsigned code = 0;
    const char *what = NULL;
    uint8_t *piece = copy(payload, length);
    int result = websocket_close_parse(piece, length, &code, &what);
    check(result < 0 ? what && *what : !what);
    if (result == 0)
        check(length == 0 ? code == WEBSOCKET_NO_CODE
                          : websocket_close_code_is_valid(code) && code == payload[0] * 256u + payload[1]);
    free(piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t some_mask[4] = {1, 2, 4, 8};
    struct websocket_frame frame;
    struct input input = {data, size};
    int result = parse(&frame, data, size);
    check_prefixes(data, size, result, result > 0 ? frame.size : WEBSOCKET_HEADER_MAX);
    if (result <= 0) return 0;
    check_header(&frame, data, size);
    check_mask(data + frame.size, size - frame.size, frame.masked ? frame.mask : some_mask, &input);
    if (frame.opcode == WEBSOCKET_CLOSE) check_close(data + frame.size, size - frame.size);
    return 0;
}
