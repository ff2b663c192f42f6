/* What went wrong in TLS, in words: OpenSSL's reason, the alert of the peer, the result of the verification.
 * A broken stream keeps its reason as an errno value below TLS_ERROR, since errno has no names for it. */
#ifndef PERIGEE_IO_TLS_FAILURE_H
#define PERIGEE_IO_TLS_FAILURE_H

struct ssl_st;

enum { TLS_ERROR = -1000 }; /* minus OpenSSL's reason, ssl(7) SSL_R_... */

struct tls_failure {
    char text[1024];
};

static inline int tls_is_error(int error) {
    return error <= TLS_ERROR;
}

/* The text of an errno value below TLS_ERROR, perhaps in the caller's memory. */
const char *tls_error_text(int error, struct tls_failure *memory);

/* The errno value of OpenSSL's last error, which is taken from its queue: EPROTO's stand-in, or a real errno value. */
int tls_take_error(const struct ssl_st *ssl, int result);

/* Why a handshake has failed; `result` is what SSL_do_handshake(3) returned. Empties OpenSSL's queue of errors. */
void tls_describe_handshake(struct tls_failure *failure, const struct ssl_st *ssl, int result);

/* "WHAT: OpenSSL's reason", or with errno's text when OpenSSL has none. Empties OpenSSL's queue of errors. */
__attribute__((format(printf, 2, 3))) void tls_describe(struct tls_failure *failure, const char *what, ...);

#endif
