#include "tls.h"
#include "bench.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <string.h>

static const char SUITE[] = "TLS_AES_256_GCM_SHA384";

_Noreturn static void tls_fail(const char *what) {
    ERR_print_errors_fp(stderr);
    bench_fail(what);
}

SSL_CTX *tls_client_context(void) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, SUITE) != 1 || SSL_CTX_set1_groups_list(context, "X25519") != 1)
        tls_fail("SSL_CTX_new");
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    return context;
}

SSL *tls_client_new(SSL_CTX *context, int fd) {
    SSL *session = SSL_new(context);
    if (!session || SSL_set_fd(session, fd) != 1 || SSL_set_tlsext_host_name(session, "localhost") != 1)
        tls_fail("SSL_new");
    SSL_set_connect_state(session);
    return session;
}

const char *tls_complaint(SSL *session) {
    char curve[32] = "";
    EVP_PKEY *key = X509_get0_pubkey(SSL_get0_peer_certificate(session));
    if (SSL_version(session) != TLS1_3_VERSION) return "not TLS 1.3";
    if (strcmp(SSL_get_cipher_name(session), SUITE) != 0) return "another cipher suite";
    if (!key || EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL) != 1 || strcmp(curve, "prime256v1") != 0)
        return "the certificate's key is not of P-256";
    return NULL;
}

/* After a call that gave `result`, which is not 1. */
static ssize_t tls_result(const SSL *session, int result) {
    int kind = SSL_get_error(session, result);
    if (kind == SSL_ERROR_ZERO_RETURN) return 0;
    errno = kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

ssize_t tls_read(SSL *session, void *bytes, size_t room) {
    size_t total = 0, count;
    int result;
    ERR_clear_error();
    do {
        result = SSL_read_ex(session, (char *)bytes + total, room - total, &count);
        if (result == 1) total += count;
    } while (result == 1 && room - total >= SSL3_RT_MAX_PLAIN_LENGTH);
    return total ? (ssize_t)total : tls_result(session, result);
}

ssize_t tls_write(SSL *session, const void *bytes, size_t count) {
    size_t written;
    ERR_clear_error();
    int result = SSL_write_ex(session, bytes, count, &written);
    return result == 1 ? (ssize_t)written : tls_result(session, result);
}
