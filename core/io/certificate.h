/* X.509 certificates (RFC 5280): what one says, and making one for development. */
#ifndef PERIGEE_IO_CERTIFICATE_H
#define PERIGEE_IO_CERTIFICATE_H

#include "io/tls_failure.h"

#include <stddef.h>
#include <stdint.h>

struct x509_st;

struct certificate_facts {
    char subject[2048], issuer[2048]; /* RFC 4514: "CN=alice,O=Example"; empty: it is longer */
    char common_name[256];            /* of the subject; empty: none, or none to be trusted */
    char serial[64];                  /* in hex */
    char fingerprint[65];             /* SHA-256 in hex */
    int64_t not_before, not_after;    /* seconds since 1970 */
};

void certificate_describe(struct x509_st *certificate, struct certificate_facts *facts);

/* The i-th subject alternative name (RFC 5280 4.2.1.6) that is a DNS name, an IP address, a mail address or a URI,
 * counted from 0; those that do not fit in `size` or have a zero byte do not count. Returns its length, 0 when there is no
 * such. */
size_t certificate_name(struct x509_st *certificate, int index, char *text, size_t size);

enum { CERTIFICATE_PEM_MAX = 4096 };

/* Makes a key (P-256) and a certificate for these names that is signed by itself. 0, or -1 and says why. */
int certificate_self_signed(const char *const *names, int count, int days, char certificate[CERTIFICATE_PEM_MAX],
                            char key[CERTIFICATE_PEM_MAX], struct tls_failure *failure);

#endif
