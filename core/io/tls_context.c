#include "io/tls_private.h"
#include "system/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STAPLE_MAX = 64 * 1024 };

/* Of TLS 1.2 only what has forward secrecy and authenticated encryption, RFC 9325 4.2. */
static const char CIPHERS[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

/* OpenSSL's own list has finite fields as well: a client that wants ffdhe8192 costs a tenth of a second. */
static const char GROUPS[] = "X25519:P-256:X448:P-521:P-384";

/* A key that is encrypted is never asked for on the terminal. */
static int on_password(char *buffer, int size, int writes, void *user) {
    struct tls_context *context = user;
    (void)writes;
    context->password_asked = 1;
    if (!context->password || strlen(context->password) >= (size_t)size) return 0;
    strcpy(buffer, context->password);
    return (int)strlen(buffer);
}

static void set_defaults(struct tls_context *context) {
    SSL_CTX *ssl = context->ssl;
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ssl, CIPHERS);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    if (socket_kernel_has_tls()) SSL_CTX_set_options(ssl, SSL_OP_ENABLE_KTLS);
    SSL_CTX_set_mode(ssl,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_default_passwd_cb(ssl, on_password);
    SSL_CTX_set_default_passwd_cb_userdata(ssl, context);
    SSL_CTX_set_app_data(ssl, context);
}

struct tls_context *tls_context_new(int is_server, struct tls_tickets *tickets, struct tls_failure *failure) {
    struct tls_context *context = calloc(1, sizeof *context);
    SSL_CTX *ssl = context ? SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method()) : NULL;
    if (!ssl) {
        tls_describe(failure, "make a TLS context");
        free(context);
        return NULL;
    }
    context->holders = 1;
    context->ssl = ssl;
    context->is_server = is_server != 0;
    context->tickets = tickets;
    set_defaults(context);
    tls_names_init(context);
    tls_resumption_init(context);
    return context;
}

struct tls_context *tls_context_hold(struct tls_context *context) {
    context->holders++;
    return context;
}

void tls_context_drop(struct tls_context *context) {
    if (--context->holders) return;
    tls_names_destroy(context);
    tls_resumption_destroy(context);
    SSL_CTX_free(context->ssl);
    OPENSSL_free(context->protocols);
    OPENSSL_free(context->staple);
    OPENSSL_free(context->groups);
    free(context);
}

int tls_context_is_server(const struct tls_context *context) {
    return context->is_server;
}

/* OpenSSL's own words for a file that is not there are not the kernel's. */
static int check_file(const char *what, const char *path, struct tls_failure *failure) {
    struct stat status;
    ERR_clear_error();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int bad = fd < 0 || fstat(fd, &status) < 0;
    if (!bad && S_ISDIR(status.st_mode)) bad = 1, errno = EISDIR;
    if (bad) tls_describe(failure, "%s '%s'", what, path);
    if (fd >= 0) close(fd);
    return bad ? -1 : 0;
}

static int fail_key(const struct tls_context *context, const char *key, const char *password,
                    struct tls_failure *failure) {
    const char *why = !context->password_asked ? "is no private key in PEM form"
                      : password               ? "does not open with the password"
                                               : "is encrypted, and there is no password";
    tls_describe(failure, "key '%s' %s", key, why);
    return -1;
}

int tls_context_certificate(struct tls_context *context, const char *chain, const char *key, const char *password,
                            struct tls_failure *failure) {
    if (check_file("certificate", chain, failure) < 0 || check_file("key", key, failure) < 0) return -1;
    if (SSL_CTX_use_certificate_chain_file(context->ssl, chain) != 1)
        return tls_describe(failure, "certificate '%s' is none in PEM form", chain), -1;
    context->password = password;
    context->password_asked = 0;
    int loaded = SSL_CTX_use_PrivateKey_file(context->ssl, key, SSL_FILETYPE_PEM);
    context->password = NULL;
    if (loaded == 1) loaded = SSL_CTX_check_private_key(context->ssl);
    else if (ERR_GET_REASON(ERR_peek_error()) != X509_R_KEY_VALUES_MISMATCH)
        return fail_key(context, key, password, failure);
    if (loaded != 1) tls_describe(failure, "key '%s' does not belong to certificate '%s'", key, chain);
    return loaded == 1 ? 0 : -1;
}

/* A server says which authorities it takes clients' certificates from, RFC 8446 4.2.4. */
static int name_authorities(struct tls_context *context, const char *path, struct tls_failure *failure) {
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (!names) return tls_describe(failure, "ca '%s'", path), -1;
    SSL_CTX_set_client_CA_list(context->ssl, names);
    return 0;
}

int tls_context_trust(struct tls_context *context, const char *path, struct tls_failure *failure) {
    if (!path) {
        if (SSL_CTX_set_default_verify_paths(context->ssl) == 1) return 0;
        return tls_describe(failure, "the system's certificates"), -1;
    }
    if (check_file("ca", path, failure) < 0) return -1;
    if (SSL_CTX_load_verify_file(context->ssl, path) != 1) return tls_describe(failure, "ca '%s'", path), -1;
    return context->is_server ? name_authorities(context, path, failure) : 0;
}

/* OpenSSL forgets a client's or server's certificate that was not good: its subject is kept for the message. */
static int on_verified(int good, X509_STORE_CTX *store) {
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    struct tls_session *session = ssl ? tls_session_of(ssl) : NULL;
    if (!good && session && certificate && !session->rejected)
        session->rejected = X509_NAME_oneline(X509_get_subject_name(certificate), NULL, 0);
    return good;
}

void tls_context_verify(struct tls_context *context, enum tls_verify verify) {
    int mode = verify == TLS_VERIFY_NONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    if (verify == TLS_VERIFY_REQUIRED) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context->ssl, mode, on_verified);
}

int tls_context_verifies(const struct tls_context *context) {
    return SSL_CTX_get_verify_mode(context->ssl) != SSL_VERIFY_NONE;
}

static int version_number(int version) {
    return version == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

int tls_context_versions(struct tls_context *context, int lowest, int highest, struct tls_failure *failure) {
    if (SSL_CTX_set_min_proto_version(context->ssl, version_number(lowest)) == 1 &&
        SSL_CTX_set_max_proto_version(context->ssl, version_number(highest)) == 1)
        return 0;
    return tls_describe(failure, "TLS versions"), -1;
}

int tls_context_ciphers(struct tls_context *context, const char *ciphers, const char *suites, const char *groups,
                        struct tls_failure *failure) {
    ERR_clear_error();
    if (ciphers && SSL_CTX_set_cipher_list(context->ssl, ciphers) != 1)
        return tls_describe(failure, "ciphers '%s'", ciphers), -1;
    if (suites && SSL_CTX_set_ciphersuites(context->ssl, suites) != 1)
        return tls_describe(failure, "cipher suites '%s'", suites), -1;
    if (!groups) groups = GROUPS;
    if (SSL_CTX_set1_groups_list(context->ssl, groups) != 1) return tls_describe(failure, "groups '%s'", groups), -1;
    OPENSSL_free(context->groups);
    context->groups = OPENSSL_strdup(groups);
    return 0;
}

int tls_context_protocols(struct tls_context *context, const unsigned char *list, size_t length,
                          struct tls_failure *failure) {
    if (!context->is_server) {
        if (SSL_CTX_set_alpn_protos(context->ssl, list, (unsigned)length) == 0) return 0;
        return tls_describe(failure, "protocols"), -1;
    }
    OPENSSL_free(context->protocols);
    context->protocols = OPENSSL_memdup(list, length);
    context->protocols_length = (unsigned)length;
    return context->protocols ? 0 : (tls_describe(failure, "protocols"), -1);
}

static int is_ocsp_response(const unsigned char *bytes, long size) {
    ERR_clear_error();
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &bytes, size);
    OCSP_RESPONSE_free(response);
    return response != NULL;
}

int tls_context_staple(struct tls_context *context, const char *path, struct tls_failure *failure) {
    unsigned char bytes[STAPLE_MAX];
    if (check_file("ocsp", path, failure) < 0) return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    if (fd >= 0) close(fd);
    if (size == 0 || size == sizeof bytes) errno = size ? EFBIG : ENODATA;
    if (size <= 0 || size == sizeof bytes) return tls_describe(failure, "ocsp '%s'", path), -1;
    if (!is_ocsp_response(bytes, size)) return tls_describe(failure, "ocsp '%s' is no OCSP response", path), -1;
    OPENSSL_free(context->staple);
    context->staple = OPENSSL_memdup(bytes, (size_t)size);
    context->staple_length = (unsigned)size;
    return context->staple ? 0 : (tls_describe(failure, "ocsp '%s'", path), -1);
}
