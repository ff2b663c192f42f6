/* The TLS transport: a stream whose bytes go through OpenSSL. It begins with a handshake, driven by whoever owns the
 * stream; until that is done nothing else may be called but close.
 * Errors: an errno value, or one below TLS_ERROR (see tls_failure.h). The peer's end without close_notify is one,
 * since what came before may be cut short (RFC 8446 6.1). */
#ifndef PERIGEE_IO_TLS_H
#define PERIGEE_IO_TLS_H

#include "io/tls_context.h"
#include "io/transport.h"

/* Puts TLS on a plain stream: 0, or -1 when out of memory. Its context says which side it is. */
int tls_start(struct stream *stream, struct tls_context *context);
void tls_cancel(struct stream *stream); /* makes it plain again, before the first byte */

/* Of a client: the name that the server is asked for by, and whose certificate it must show (RFC 6125); an IP address
 * is only verified. Its session is kept by `peer` and the name. 0, or -1 when it cannot be a name. */
int tls_expect(struct stream *stream, const char *name, const char *peer);

enum tls_step { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_FAILED };

/* Goes on with the handshake. */
enum tls_step tls_handshake(struct stream *stream, struct tls_failure *failure);

int stream_is_tls(const struct stream *stream);
int stream_is_shaking_hands(const struct stream *stream);

struct tls_facts {
    const char *version, *cipher;  /* "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
    const char *server_name;       /* that the client asked for; NULL: none */
    const unsigned char *protocol; /* by ALPN */
    unsigned protocol_length;
    int resumed, verified;      /* verified: the peer's certificate is good */
    int ktls_sends, ktls_reads; /* the kernel does the work */
    struct x509_st *peer;       /* its certificate; NULL: none. Lasts as long as the stream. */
};

void tls_describe_session(const struct stream *stream, struct tls_facts *facts);

#endif
