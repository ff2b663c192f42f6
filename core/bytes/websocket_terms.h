/* The terms of permessage-deflate, and how the two ends agree on them in Sec-WebSocket-Extensions (RFC 7692 7.1).
 * A parameter that is unknown, twice there or invalid declines the offer that has it. Owner: the caller. */
#ifndef PERIGEE_BYTES_WEBSOCKET_TERMS_H
#define PERIGEE_BYTES_WEBSOCKET_TERMS_H

#include "bytes/text.h"
#include <stdint.h>

struct websocket_deflate_terms {
    unsigned server_no_context : 1;   /* each message that the server sends is compressed on its own */
    unsigned client_no_context : 1;   /* and each that the client sends */
    uint8_t server_bits, client_bits; /* 8 to 15: that end's window has 2^bits bytes */
};

/* For a server: takes the first acceptable one of a client's offers. `ours` is the most that we want to spend: a client
 * that cannot make its window smaller is told to keep no context instead. 1 with the terms agreed and the value of our
 * header appended to `answer`; 0 when no offer is acceptable; -1 when out of memory. */
int websocket_deflate_accept(const char *offers, size_t length, const struct websocket_deflate_terms *ours,
                             struct websocket_deflate_terms *agreed, struct text *answer);

enum { WEBSOCKET_OFFER_MAX = 160 };
/* For a client: writes the value of its header, not terminated, and returns its bytes. Our own bits: 9 at least. */
size_t websocket_deflate_offer(char offer[WEBSOCKET_OFFER_MAX], const struct websocket_deflate_terms *terms);

/* Reads the value of the server's header: 0 with the terms agreed, or -1 when it is no valid answer to this offer, or
 * wants a window of 8 bits from us, which zlib cannot do. */
int websocket_deflate_confirm(const char *answer, size_t length, const struct websocket_deflate_terms *offered,
                              struct websocket_deflate_terms *agreed);

#endif
