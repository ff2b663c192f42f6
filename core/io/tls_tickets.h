/* The keys of session tickets (RFC 5077 4, RFC 8446 4.6.1), which change every twelve hours. They are derived from a
 * secret that is replaced by its own digest at each change, so that all workers with one secret have the same keys at
 * the same time, and the keys of the past cannot be had from the secret of today.
 * Owner: the runtime; it outlives the contexts that use it. */
#ifndef PERIGEE_IO_TLS_TICKETS_H
#define PERIGEE_IO_TLS_TICKETS_H

#include <openssl/evp.h>
#include <stdint.h>

enum { TLS_TICKETS_SIZE = 8 + 32, TLS_TICKETS_SECONDS = 12 * 3600 };

struct tls_ticket_key {
    unsigned char name[16], cipher[32], mac[32];
};

struct tls_tickets {
    int64_t period; /* that the secret is of */
    unsigned char secret[32];
    struct tls_ticket_key now, before;
};

int tls_tickets_init(struct tls_tickets *tickets); /* with a random secret: 0, or -1 */
void tls_tickets_export(struct tls_tickets *tickets, unsigned char bytes[TLS_TICKETS_SIZE]);
/* 0, or -1 when it is of no time near now. */
int tls_tickets_import(struct tls_tickets *tickets, const unsigned char bytes[TLS_TICKETS_SIZE]);

/* Brings the keys up to `seconds` since 1970. */
void tls_tickets_turn(struct tls_tickets *tickets, int64_t seconds);

/* What SSL_CTX_set_tlsext_ticket_key_evp_cb(3) wants of its callback. */
int tls_tickets_crypt(struct tls_tickets *tickets, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, int issues);

#endif
