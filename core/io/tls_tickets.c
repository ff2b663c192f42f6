#include "io/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>
#include <time.h>

enum { PERIODS_MAX = 366 * 2 /* that an imported secret may be behind: a year */ };

static int64_t period_now(void) {
    return (int64_t)time(NULL) / TLS_TICKETS_SECONDS;
}

static void derive(const struct tls_tickets *tickets, const char *label, unsigned char result[32]) {
    unsigned length = 32;
    HMAC(EVP_sha256(), tickets->secret, sizeof tickets->secret, (const unsigned char *)label, strlen(label), result,
         &length);
}

static void derive_key(const struct tls_tickets *tickets, struct tls_ticket_key *key) {
    unsigned char name[32];
    derive(tickets, "perigee ticket name", name);
    memcpy(key->name, name, sizeof key->name);
    derive(tickets, "perigee ticket cipher", key->cipher);
    derive(tickets, "perigee ticket mac", key->mac);
}

static void step(struct tls_tickets *tickets) {
    unsigned char next[32];
    derive(tickets, "perigee ticket secret", next);
    memcpy(tickets->secret, next, sizeof next);
    OPENSSL_cleanse(next, sizeof next);
    tickets->before = tickets->now;
    tickets->period++;
    derive_key(tickets, &tickets->now);
}

void tls_tickets_turn(struct tls_tickets *tickets, int64_t seconds) {
    int64_t wanted = seconds / TLS_TICKETS_SECONDS;
    if (wanted > tickets->period + PERIODS_MAX) tickets->period = wanted - PERIODS_MAX;
    while (tickets->period < wanted) step(tickets);
}

int tls_tickets_init(struct tls_tickets *tickets) {
    *tickets = (struct tls_tickets){.period = period_now()};
    if (RAND_bytes(tickets->secret, sizeof tickets->secret) != 1) return -1;
    derive_key(tickets, &tickets->now);
    tickets->before = tickets->now;
    return 0;
}

void tls_tickets_export(struct tls_tickets *tickets, unsigned char bytes[TLS_TICKETS_SIZE]) {
    tls_tickets_turn(tickets, time(NULL));
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)tickets->period >> (56 - 8 * i));
    memcpy(bytes + 8, tickets->secret, sizeof tickets->secret);
}

int tls_tickets_import(struct tls_tickets *tickets, const unsigned char bytes[TLS_TICKETS_SIZE]) {
    uint64_t period = 0;
    for (int i = 0; i < 8; i++) period = period << 8 | bytes[i];
    if (period > (uint64_t)period_now() + 1 || period + PERIODS_MAX < (uint64_t)period_now()) return -1;
    tickets->period = (int64_t)period;
    memcpy(tickets->secret, bytes + 8, sizeof tickets->secret);
    derive_key(tickets, &tickets->now);
    tickets->before = tickets->now;
    tls_tickets_turn(tickets, time(NULL));
    return 0;
}

static int init_ciphers(const struct tls_ticket_key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                        int encrypts) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "sha256", 0), OSSL_PARAM_END};
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, encrypts) == 1 &&
           EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

static int issue(const struct tls_tickets *tickets, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                 EVP_MAC_CTX *mac) {
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
    memcpy(name, tickets->now.name, sizeof tickets->now.name);
    return init_ciphers(&tickets->now, iv, cipher, mac, 1) ? 1 : -1;
}

/* 1: it is taken; 2: and a new one is issued, SSL_CTX_set_tlsext_ticket_key_cb(3). */
static int take(const struct tls_tickets *tickets, const unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                EVP_MAC_CTX *mac) {
    int is_now = memcmp(name, tickets->now.name, sizeof tickets->now.name) == 0;
    int is_before = memcmp(name, tickets->before.name, sizeof tickets->before.name) == 0;
    if (!is_now && !is_before) return 0;
    if (!init_ciphers(is_now ? &tickets->now : &tickets->before, iv, cipher, mac, 0)) return -1;
    return is_now ? 1 : 2;
}

int tls_tickets_crypt(struct tls_tickets *tickets, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, int issues) {
    tls_tickets_turn(tickets, time(NULL));
    return issues ? issue(tickets, name, iv, cipher, mac) : take(tickets, name, iv, cipher, mac);
}
