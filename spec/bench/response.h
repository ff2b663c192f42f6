/* Reads HTTP/1.1 responses as a client: where each one ends, by Content-Length or chunked, and its status.
 * The caller owns the struct, zeroed before the first use; no memory is allocated. A response to HEAD, and one that
 * lasts until the connection closes, are not understood. */
#ifndef BENCH_RESPONSE_H
#define BENCH_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum response_state { RESPONSE_HEAD, RESPONSE_BODY, RESPONSE_CHUNK, RESPONSE_TRAILER, RESPONSE_DONE, RESPONSE_BAD };

struct response {
    enum response_state state;
    int status;
    bool chunked;
    uint64_t body; /* bytes, of the chunks so far */
    uint64_t left; /* of the body, or of the chunk and its line end */
    size_t held;   /* of a head or line that has come in part */
    char text[2048];
};

/* Takes bytes of one response; returns how many were its own. It is DONE, or wants more, or is BAD. */
size_t response_read(struct response *response, const char *data, size_t size);

/* Takes the head alone: what follows is left. DONE then means that the head is whole. */
size_t response_read_head(struct response *response, const char *data, size_t size);

/* Ready for the next response of the same connection. */
void response_reset(struct response *response);

#endif
