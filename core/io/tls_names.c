/* What a client asks for in its hello: a server's name, a protocol, an OCSP response. */
#include "io/tls_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* "*.example.org" stands for one label, RFC 6125 6.4.3. */
static int name_matches(const char *pattern, const char *name) {
    if (strcasecmp(pattern, name) == 0) return 1;
    const char *rest = strchr(name, '.');
    return pattern[0] == '*' && rest && rest != name && strcasecmp(pattern + 1, rest) == 0;
}

static struct tls_context *find_name(const struct tls_context *context, const char *name) {
    const struct tls_name *wildcard = NULL;
    for (const struct tls_name *entry = context->names; entry; entry = entry->next) {
        if (!name_matches(entry->pattern, name)) continue;
        if (entry->pattern[0] != '*') return entry->context;
        wildcard = entry;
    }
    return wildcard ? wildcard->context : NULL;
}

/* The other context's certificate, and whether it wants one of the client. */
static void use_context(SSL *ssl, const struct tls_context *other) {
    SSL_set_SSL_CTX(ssl, other->ssl);
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(other->ssl), NULL);
    SSL_set1_verify_cert_store(ssl, SSL_CTX_get_cert_store(other->ssl));
}

/* OpenSSL resumes a session before it asks for the name. Where names differ in what they ask of a client, one that was
 * made for another name may not have been asked for a certificate. */
static int is_of_another_name(SSL *ssl, const struct tls_context *context, const char *name) {
    if (!context->names && !context->choose) return 0;
    const char *made_for = SSL_session_reused(ssl) ? SSL_SESSION_get0_hostname(SSL_get0_session(ssl)) : name;
    if (!made_for || !name) return made_for != name;
    return strcasecmp(made_for, name) != 0;
}

static int on_server_name(SSL *ssl, int *alert, void *unused) {
    struct tls_context *context = tls_context_of(ssl);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)unused;
    if (is_of_another_name(ssl, context, name)) return *alert = SSL_AD_ACCESS_DENIED, SSL_TLSEXT_ERR_ALERT_FATAL;
    if (!name) return SSL_TLSEXT_ERR_NOACK;
    int refused = 0;
    struct tls_context *other = find_name(context, name);
    if (!other && context->choose) other = context->choose(context->choose_owner, name, &refused);
    if (refused) return *alert = SSL_AD_UNRECOGNIZED_NAME, SSL_TLSEXT_ERR_ALERT_FATAL;
    if (other) use_context(ssl, other);
    return SSL_TLSEXT_ERR_OK;
}

/* The context whose certificate is shown: that of the name, or the session's own. */
static struct tls_context *shown_context(SSL *ssl) {
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

/* Our order decides. Nothing in common ends the handshake, RFC 7301 3.2. */
static int on_protocols(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_length,
                        const unsigned char *offered, unsigned offered_length, void *unused) {
    const struct tls_context *context = shown_context(ssl);
    (void)unused;
    if (!context->protocols) context = tls_context_of(ssl);
    if (!context->protocols) return SSL_TLSEXT_ERR_NOACK;
    int result = SSL_select_next_proto((unsigned char **)(uintptr_t)chosen, chosen_length, context->protocols,
                                       context->protocols_length, offered, offered_length);
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* OpenSSL frees what it is given. */
static int on_status(SSL *ssl, void *unused) {
    const struct tls_context *context = shown_context(ssl);
    (void)unused;
    unsigned char *copy = context->staple ? OPENSSL_memdup(context->staple, context->staple_length) : NULL;
    if (!copy) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, context->staple_length);
    return SSL_TLSEXT_ERR_OK;
}

void tls_names_init(struct tls_context *context) {
    if (!context->is_server) return;
    SSL_CTX_set_tlsext_servername_callback(context->ssl, on_server_name);
    SSL_CTX_set_alpn_select_cb(context->ssl, on_protocols, NULL);
    SSL_CTX_set_tlsext_status_cb(context->ssl, on_status);
}

int tls_context_add_name(struct tls_context *context, const char *name, struct tls_context *other) {
    size_t size = strlen(name) + 1;
    struct tls_name *entry = malloc(sizeof *entry + size);
    if (!entry) return -1;
    memcpy(entry->pattern, name, size);
    entry->context = tls_context_hold(other);
    entry->next = context->names;
    context->names = entry;
    return 0;
}

void tls_context_choose(struct tls_context *context, tls_choose *choose, void *owner) {
    context->choose = choose;
    context->choose_owner = owner;
}

void tls_names_destroy(struct tls_context *context) {
    while (context->names) {
        struct tls_name *entry = context->names;
        context->names = entry->next;
        tls_context_drop(entry->context);
        free(entry);
    }
}
