#include "http/websocket.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>

enum {
    CODE_PROTOCOL = 1002,
    CODE_NOT_UTF8 = 1007,
    CODE_TOO_BIG = 1009,
    CODE_FAILED = 1011,
    COMPRESS_FROM = 1024, /* bytes; less does not pay */
    KEPT_STREAMS = 4
};

void websocket_memory_init(struct websocket_memory *memory) {
    static const int LEVEL = 5;
    memory->scratch = (struct text){0};
    websocket_deflate_cache_init(&memory->cache, KEPT_STREAMS, LEVEL);
}

void websocket_memory_trim(struct websocket_memory *memory) {
    websocket_deflate_cache_trim(&memory->cache);
    text_destroy(&memory->scratch);
}

static struct websocket_extra *need_extra(struct websocket *socket) {
    if (!socket->extra) socket->extra = calloc(1, sizeof *socket->extra);
    return socket->extra;
}

static void drop_extra(struct websocket *socket) {
    if (!socket->extra) return;
    text_destroy(&socket->extra->message);
    if (socket->extra->deflate) return;
    free(socket->extra);
    socket->extra = NULL;
}

int websocket_set_deflate(struct websocket *socket, const struct websocket_deflate_terms *terms,
                          struct websocket_memory *memory) {
    enum websocket_role role = socket->is_client ? WEBSOCKET_CLIENT : WEBSOCKET_SERVER;
    if (!need_extra(socket)) return -1;
    socket->extra->deflate = websocket_deflate_new(role, terms, &memory->cache);
    return socket->extra->deflate ? 0 : -1;
}

static struct websocket_deflate *deflate_of(const struct websocket *socket) {
    return socket->extra ? socket->extra->deflate : NULL;
}

void websocket_destroy(struct websocket *socket) {
    struct websocket_deflate *deflate = deflate_of(socket);
    if (deflate) websocket_deflate_free(deflate);
    if (deflate) socket->extra->deflate = NULL;
    drop_extra(socket);
}

void websocket_accept_value(const char *key, size_t length, char value[WEBSOCKET_ACCEPT_SIZE]) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA_DIGEST_LENGTH], both[128];
    if (length > sizeof both - sizeof guid) length = sizeof both - sizeof guid;
    memcpy(both, key, length);
    memcpy(both + length, guid, sizeof guid - 1);
    SHA1(both, length + sizeof guid - 1, digest);
    EVP_EncodeBlock((unsigned char *)value, digest, sizeof digest);
}

/* Sending. */

static int put_header(struct websocket *socket, struct websocket_frame *frame) {
    unsigned char header[WEBSOCKET_HEADER_MAX];
    size_t size = websocket_frame_write(header, frame);
    return connection_write_copy(&socket->io, header, size);
}

/* A client's payload is masked with bytes that nobody can foresee, RFC 6455 5.3. */
static int send_masked(struct websocket *socket, struct websocket_frame *frame, const void *bytes, size_t length) {
    struct text masked = {0};
    frame->masked = 1;
    if (RAND_bytes(frame->mask, sizeof frame->mask) != 1 || text_append(&masked, bytes, length) < 0) return -1;
    websocket_mask((unsigned char *)masked.bytes, length, frame->mask, 0);
    int failed = put_header(socket, frame) < 0;
    failed = failed || (length && connection_write_copy(&socket->io, masked.bytes, length) < 0);
    text_destroy(&masked);
    return failed ? -1 : 0;
}

static int send_frame(struct websocket *socket, struct websocket_frame *frame, const void *bytes, size_t length) {
    frame->length = length;
    if (socket->is_client) return send_masked(socket, frame, bytes, length);
    if (put_header(socket, frame) < 0) return -1;
    return length ? connection_write_copy(&socket->io, bytes, length) : 0;
}

static int is_compressed(const struct websocket *socket, enum websocket_opcode opcode, size_t length) {
    return deflate_of(socket) && !websocket_opcode_is_control(opcode) && length >= COMPRESS_FROM;
}

int websocket_send(struct websocket *socket, struct websocket_memory *memory, enum websocket_opcode opcode,
                   const void *bytes, size_t length) {
    struct websocket_frame frame = {.opcode = (uint8_t)opcode, .final = 1};
    if (!is_compressed(socket, opcode, length)) return send_frame(socket, &frame, bytes, length);
    memory->scratch.length = 0;
    if (websocket_deflate_message(socket->extra->deflate, bytes, length, &memory->scratch) < 0) return -1;
    frame.compressed = 1;
    return send_frame(socket, &frame, memory->scratch.bytes, memory->scratch.length);
}

int websocket_send_header(struct websocket *socket, enum websocket_opcode opcode, size_t length) {
    struct websocket_frame frame = {.opcode = (uint8_t)opcode, .final = 1, .length = length};
    if (socket->is_client || is_compressed(socket, opcode, length)) return 0;
    return put_header(socket, &frame) < 0 ? -1 : 1;
}

void websocket_send_close(struct websocket *socket, unsigned code, const char *reason, size_t length) {
    unsigned char payload[WEBSOCKET_CONTROL_MAX] = {(unsigned char)(code >> 8), (unsigned char)code};
    struct websocket_frame frame = {.opcode = WEBSOCKET_CLOSE, .final = 1};
    if (socket->close_sent || !socket->io.open || socket->io.stream.error) return;
    if (length > sizeof payload - 2) length = sizeof payload - 2;
    if (length) memcpy(payload + 2, reason, length);
    socket->close_sent = 1;
    send_frame(socket, &frame, payload, code == WEBSOCKET_NO_CODE ? 0 : length + 2);
}

/* Receiving. */

static enum io_status fail(struct websocket *socket, unsigned code, const char *text, const char **what) {
    *what = text;
    websocket_send_close(socket, code, text, strlen(text));
    socket->close_code = (uint16_t)code;
    return IO_BROKEN;
}

static enum io_status fill(struct websocket *socket) {
    enum io_status status = connection_fill(&socket->io);
    if (status == IO_DONE) socket->pinged = 0; /* any bytes are a sign of life: a pong cannot come within a frame */
    if (status == IO_DONE || status == IO_WAIT) return status;
    socket->close_code = WEBSOCKET_ABNORMAL;
    return IO_BROKEN;
}

/* May this frame follow what has come? The text that says why not, or NULL. */
static const char *frame_fault(const struct websocket *socket, const struct websocket_frame *frame) {
    if (frame->masked == socket->is_client)
        return socket->is_client ? "a server must not mask its frames" : "a client must mask its frames";
    if (websocket_opcode_is_control(frame->opcode)) return NULL;
    if (frame->opcode == WEBSOCKET_CONTINUATION) {
        if (!socket->opcode) return "a continuation of no message";
        return frame->compressed ? "a continuation that says it is compressed" : NULL;
    }
    if (socket->opcode) return "a new message within another";
    return frame->compressed && !deflate_of(socket) ? "a compressed message, which was not agreed on" : NULL;
}

static enum io_status take_close(struct websocket *socket, const unsigned char *payload, size_t length,
                                 const char **what) {
    unsigned code;
    const char *text;
    if (websocket_close_parse(payload, length, &code, &text) < 0) return fail(socket, CODE_PROTOCOL, text, what);
    websocket_send_close(socket, code, NULL, 0);
    socket->close_code = (uint16_t)code;
    return IO_END;
}

/* DONE: go on. */
static enum io_status take_control(struct websocket *socket, const struct websocket_frame *frame,
                                   const unsigned char *payload, const char **what) {
    struct websocket_frame pong = {.opcode = WEBSOCKET_PONG, .final = 1};
    size_t length = (size_t)frame->length;
    if (frame->opcode == WEBSOCKET_CLOSE) return take_close(socket, payload, length, what);
    if (frame->opcode == WEBSOCKET_PING && !socket->io.stream.error &&
        socket->io.output.length <= socket->io.high_water)
        send_frame(socket, &pong, payload, length);
    return IO_DONE;
}

static int is_utf8(const void *bytes, size_t length) {
    struct utf8 utf8 = {0};
    return utf8_check(&utf8, bytes, length) == 0 && utf8_is_complete(&utf8);
}

static enum io_status deliver(struct websocket *socket, struct websocket_message *message, const void *bytes,
                              size_t length, unsigned opcode, const char **what) {
    if (opcode == WEBSOCKET_TEXT && !is_utf8(bytes, length))
        return fail(socket, CODE_NOT_UTF8, "a text that is not UTF-8", what);
    *message = (struct websocket_message){bytes, length, opcode == WEBSOCKET_BINARY};
    socket->opcode = 0;
    return IO_DONE;
}

static enum io_status add_inflated(struct websocket *socket, const unsigned char *payload, size_t length, int final,
                                   const char **what) {
    switch (websocket_inflate_piece(socket->extra->deflate, payload, length, final, socket->limit,
                                    &socket->extra->message)) {
    case WEBSOCKET_INFLATED: return IO_DONE;
    case WEBSOCKET_INFLATE_LIMIT: return fail(socket, CODE_TOO_BIG, "a message over the limit", what);
    case WEBSOCKET_INFLATE_BROKEN: return fail(socket, CODE_NOT_UTF8, "a message that is badly compressed", what);
    default: return fail(socket, CODE_FAILED, "not enough memory", what);
    }
}

static enum io_status add_piece(struct websocket *socket, const unsigned char *payload, size_t length, int final,
                                const char **what) {
    if (!need_extra(socket)) return fail(socket, CODE_FAILED, "not enough memory", what);
    if (socket->compressed) return add_inflated(socket, payload, length, final, what);
    if (text_append(&socket->extra->message, payload, length) < 0)
        return fail(socket, CODE_FAILED, "not enough memory", what);
    return IO_DONE;
}

/* A whole message in one frame is handed out where it lies; others are put together. *whole: there is a message. */
static enum io_status take_data(struct websocket *socket, const struct websocket_frame *frame,
                                const unsigned char *payload, struct websocket_message *message, int *whole,
                                const char **what) {
    size_t length = (size_t)frame->length;
    *whole = frame->final;
    if (frame->opcode != WEBSOCKET_CONTINUATION) {
        socket->opcode = frame->opcode & 15u;
        socket->compressed = frame->compressed;
        if (frame->final && !frame->compressed) return deliver(socket, message, payload, length, frame->opcode, what);
    }
    enum io_status status = add_piece(socket, payload, length, frame->final, what);
    if (status != IO_DONE || !frame->final) return status;
    socket->kept = 1;
    const struct text *text = &socket->extra->message;
    return deliver(socket, message, text->bytes ? text->bytes : "", text->length, socket->opcode, what);
}

/* What was handed out last time is not needed any more. */
static void let_go(struct websocket *socket) {
    connection_consume(&socket->io, socket->handed);
    socket->handed = 0;
    if (!socket->kept) return;
    socket->kept = 0;
    drop_extra(socket);
}

/* How long the frame's payload may be. What does not compress gets a little longer by it. */
static size_t room_for(const struct websocket *socket, const struct websocket_frame *frame) {
    size_t before = socket->extra ? socket->extra->message.length : 0;
    int compressed = frame->opcode == WEBSOCKET_CONTINUATION ? socket->compressed : frame->compressed;
    return socket->limit - before + (compressed ? socket->limit / 8 + 64 : 0);
}

/* The frame that is pending first: DONE when it is there with its whole payload. */
static enum io_status next_frame(struct websocket *socket, struct websocket_frame *frame, const char **what) {
    for (;;) {
        size_t pending = connection_pending(&socket->io);
        const char *text;
        int parsed = pending ? websocket_frame_parse(frame, buffer_data(socket->io.input), pending, &text) : 0;
        if (parsed < 0) return fail(socket, CODE_PROTOCOL, text, what);
        if (parsed) {
            const char *fault = frame_fault(socket, frame);
            if (fault) return fail(socket, CODE_PROTOCOL, fault, what);
            if (!websocket_opcode_is_control(frame->opcode) && frame->length > room_for(socket, frame))
                return fail(socket, CODE_TOO_BIG, "a message over the limit", what);
            if (pending - frame->size >= frame->length) return IO_DONE;
        }
        enum io_status status = fill(socket);
        if (status != IO_DONE) return status;
    }
}

enum io_status websocket_receive(struct websocket *socket, struct websocket_message *message, const char **what) {
    *what = NULL;
    let_go(socket);
    for (;;) {
        struct websocket_frame frame;
        int whole = 0;
        enum io_status status = next_frame(socket, &frame, what);
        if (status != IO_DONE) return status;
        unsigned char *payload = buffer_data(socket->io.input) + frame.size;
        if (frame.masked) websocket_mask(payload, (size_t)frame.length, frame.mask, 0);
        status = websocket_opcode_is_control(frame.opcode) ? take_control(socket, &frame, payload, what)
                                                           : take_data(socket, &frame, payload, message, &whole, what);
        socket->handed = (uint32_t)(frame.size + frame.length);
        if (status != IO_DONE || whole) return status;
        let_go(socket);
    }
}
