/* Bodies that are coded as their head says (RFC 9110 8.4): gzip and deflate, decoded in pieces that are cut anywhere.
 * Owner: whoever embeds the decoder, which does not move; all zero, it is one of what is not coded. */
#ifndef PERIGEE_BYTES_CONTENT_CODING_H
#define PERIGEE_BYTES_CONTENT_CODING_H

#include "bytes/deflate.h"

enum content_coding { CODING_NONE, CODING_GZIP, CODING_DEFLATE, CODING_OTHER };

/* What the value of a field Content-Encoding names. */
enum content_coding content_coding_find(const char *value, size_t length);

struct content_decoder {
    enum content_coding coding; /* to be set before the first byte */
    enum { DECODER_NEW, DECODER_RUNNING, DECODER_ENDED } state;
    z_stream stream;
};

enum content_decoded {
    CONTENT_DECODED,
    CONTENT_UNKNOWN,  /* the coding is another one */
    CONTENT_DAMAGED,  /* these bytes are not coded so */
    CONTENT_FOLLOWED, /* something comes behind the end */
    CONTENT_LIMIT,
    CONTENT_NO_MEMORY
};

/* Appends what the bytes (less than 1 GiB) stand for to `out`, which is to have at most `limit`. */
enum content_decoded content_decode(struct content_decoder *decoder, const void *bytes, size_t length, size_t limit,
                                    struct text *out);
int content_decoder_is_whole(const struct content_decoder *decoder); /* or was there nothing at all */
void content_decoder_destroy(struct content_decoder *decoder);       /* all zero again */

#endif
