/* TLS 1.3 on a connected socket, as a client. Every session must have the same parameters, so that all servers do the
 * same work: AES-256-GCM, X25519, a certificate with a P-256 key. What is not so ends the program. */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

/* A context for any number of sessions, for the life of the program. It verifies no certificate. */
SSL_CTX *tls_client_context(void);

/* A session on `fd` that has not begun its handshake; the caller frees it, and closes `fd`. */
SSL *tls_client_new(SSL_CTX *context, int fd);

/* What is wrong with a session whose handshake is done, or NULL. */
const char *tls_complaint(SSL *session);

/* As read(2) and write(2) on a non-blocking socket: -1 with EAGAIN, EPROTO where TLS failed. 0: the peer's end, which
 * it has said. A read takes all that is there, as far as whole records fit in the room, which is 16 KiB at least. */
ssize_t tls_read(SSL *session, void *bytes, size_t room);
ssize_t tls_write(SSL *session, const void *bytes, size_t count);

#endif
