/* Resuming sessions: a server's tickets, and what a client keeps to show. */
#include "io/tls_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A client of TLS 1.3 gets a new ticket for each that it has used, RFC 8446 C.4. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                     int issues) {
    int result = tls_tickets_crypt(tls_context_of(ssl)->tickets, name, iv, cipher, mac, issues);
    return result == 1 && !issues && SSL_version(ssl) == TLS1_3_VERSION ? 2 : result;
}

static void kept_drop(struct tls_kept_session *kept) {
    SSL_SESSION_free(kept->session);
    free(kept->peer);
    *kept = (struct tls_kept_session){NULL, NULL};
}

static struct tls_kept_session *find_kept(struct tls_context *context, const char *peer) {
    for (int i = 0; i < TLS_SESSIONS; i++)
        if (context->sessions[i].peer && strcmp(context->sessions[i].peer, peer) == 0) return &context->sessions[i];
    return NULL;
}

/* 1: the session is kept, and freed by us. Of TLS 1.3 several come, and the last one is kept. */
static int on_session(SSL *ssl, SSL_SESSION *session) {
    struct tls_context *context = tls_context_of(ssl);
    const char *peer = tls_session_of(ssl)->peer;
    char *copy = peer ? strdup(peer) : NULL;
    if (!copy) return 0;
    struct tls_kept_session *kept = find_kept(context, peer);
    if (!kept) kept = &context->sessions[context->next_session++ % TLS_SESSIONS];
    kept_drop(kept);
    kept->session = session;
    kept->peer = copy;
    return 1;
}

static void digest_authorities(const SSL_CTX *ssl, EVP_MD_CTX *digest) {
    const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(ssl);
    for (int i = 0; i < sk_X509_NAME_num(names); i++) {
        unsigned char *bytes = NULL;
        int size = i2d_X509_NAME(sk_X509_NAME_value(names, i), &bytes);
        if (size > 0) EVP_DigestUpdate(digest, bytes, (size_t)size);
        OPENSSL_free(bytes);
    }
}

static void digest_settings(const SSL_CTX *ssl, EVP_MD_CTX *digest) {
    unsigned char fingerprint[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int verify = SSL_CTX_get_verify_mode(ssl);
    X509 *certificate = SSL_CTX_get0_certificate(ssl);
    if (certificate) X509_digest(certificate, EVP_sha256(), fingerprint, &size);
    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    EVP_DigestUpdate(digest, fingerprint, size);
    EVP_DigestUpdate(digest, &verify, sizeof verify);
    digest_authorities(ssl, digest);
}

/* All servers of a process have the same ticket keys. Without this a client could bring a ticket that it got where no
 * certificate was asked of it to where one is, SSL_CTX_set_session_id_context(3). */
void tls_context_seal(struct tls_context *context) {
    unsigned size = 0;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    if (!digest) return;
    digest_settings(context->ssl, digest);
    EVP_DigestFinal_ex(digest, context->identity, &size);
    EVP_MD_CTX_free(digest);
}

/* RFC 6066 3: not a session that was made for another name. */
void tls_resumption_bind(SSL *ssl, const struct tls_context *context, const char *name) {
    unsigned char bytes[TLS_IDENTITY + TLSEXT_MAXLEN_host_name], result[EVP_MAX_MD_SIZE];
    size_t length = 0;
    unsigned size = 0;
    memcpy(bytes, context->identity, TLS_IDENTITY);
    for (; name && name[length] && length < TLSEXT_MAXLEN_host_name; length++)
        bytes[TLS_IDENTITY + length] = (unsigned char)tolower((unsigned char)name[length]);
    if (EVP_Digest(bytes, TLS_IDENTITY + length, result, &size, EVP_sha256(), NULL) == 1)
        SSL_set_session_id_context(ssl, result, size);
}

void tls_resumption_init(struct tls_context *context) {
    if (!context->is_server) {
        SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context->ssl, on_session);
        return;
    }
    SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
    if (context->tickets) {
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context->ssl, on_ticket);
    } else {
        SSL_CTX_set_options(context->ssl, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context->ssl, 0);
    }
}

void tls_resumption_destroy(struct tls_context *context) {
    for (int i = 0; i < TLS_SESSIONS; i++) kept_drop(&context->sessions[i]);
}

/* The name is a part of it: of a session that is resumed no certificate is verified again. */
void tls_resumption_begin(SSL *ssl, const char *peer, const char *name) {
    char *key;
    if (asprintf(&key, "%s %s", peer, name) < 0) return;
    struct tls_kept_session *kept = find_kept(tls_context_of(ssl), key);
    tls_session_of(ssl)->peer = key;
    if (kept) SSL_set_session(ssl, kept->session);
}
