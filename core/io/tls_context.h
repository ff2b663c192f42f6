/* What TLS sessions are made with: certificates, whom they trust, versions, names, tickets (OpenSSL's SSL_CTX).
 * Owner: counted holders: whoever made it, and each session. It does not change once sessions were made with it: to
 * load a certificate anew, make another one. Functions that return int give 0, or -1 and say why. */
#ifndef PERIGEE_IO_TLS_CONTEXT_H
#define PERIGEE_IO_TLS_CONTEXT_H

#include "io/tls_failure.h"

#include <stddef.h>

struct tls_context;
struct tls_tickets;

enum tls_verify {
    TLS_VERIFY_NONE,
    TLS_VERIFY_OPTIONAL, /* of a server: a client may have no certificate, but not a bad one */
    TLS_VERIFY_REQUIRED
};

/* Held once. NULL when it cannot be made. Of a server `tickets` outlives it; NULL: sessions are not resumed. */
struct tls_context *tls_context_new(int is_server, struct tls_tickets *tickets, struct tls_failure *failure);
struct tls_context *tls_context_hold(struct tls_context *context);
void tls_context_drop(struct tls_context *context);
int tls_context_is_server(const struct tls_context *context);

/* PEM files: the chain, its own certificate first, and the key; `password` NULL: none. May be called for several
 * certificates with keys of different types. */
int tls_context_certificate(struct tls_context *context, const char *chain, const char *key, const char *password,
                            struct tls_failure *failure);
/* Trusts the certificates of a PEM file; NULL: those of the system. */
int tls_context_trust(struct tls_context *context, const char *path, struct tls_failure *failure);
void tls_context_verify(struct tls_context *context, enum tls_verify verify);
int tls_context_verifies(const struct tls_context *context);
/* Versions as numbers: 12, 13. */
int tls_context_versions(struct tls_context *context, int lowest, int highest, struct tls_failure *failure);
/* OpenSSL's lists: of TLS 1.2 (openssl-ciphers(1)), of TLS 1.3, of groups. NULL: what is safe. */
int tls_context_ciphers(struct tls_context *context, const char *ciphers, const char *suites, const char *groups,
                        struct tls_failure *failure);
/* The protocols that are offered or accepted, as RFC 7301 3.1 lists them on the wire. */
int tls_context_protocols(struct tls_context *context, const unsigned char *list, size_t length,
                          struct tls_failure *failure);
/* An OCSP response (DER) to staple, RFC 6066 8. */
int tls_context_staple(struct tls_context *context, const char *path, struct tls_failure *failure);

/* Clients that ask for a name (RFC 6066 3), "example.org" or "*.example.org", get the other context's certificate. */
int tls_context_add_name(struct tls_context *context, const char *name, struct tls_context *other);
/* The same by a function, asked for names that are not in the list: NULL is the context's own certificate. With
 * *refused set the handshake ends by the alert unrecognized_name. */
typedef struct tls_context *tls_choose(void *owner, const char *name, int *refused);
void tls_context_choose(struct tls_context *context, tls_choose *choose, void *owner);

/* After the setters, before the first session: sessions are resumed only where the same is asked of the client. */
void tls_context_seal(struct tls_context *context);

#endif
