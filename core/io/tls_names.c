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

/* What a session has of its context by copy. */
static int use_context(SSL *ssl, struct tls_context *other) {
    SSL_CTX *ctx = other->ssl;
    if (!SSL_set_SSL_CTX(ssl, ctx)) return 0;
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(ctx), NULL);
    SSL_set1_verify_cert_store(ssl, SSL_CTX_get_cert_store(ctx));
    SSL_set_min_proto_version(ssl, SSL_CTX_get_min_proto_version(ctx));
    SSL_set_max_proto_version(ssl, SSL_CTX_get_max_proto_version(ctx));
    SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(ctx));
    if (!other->tickets) SSL_set_options(ssl, SSL_OP_NO_TICKET);
    if (other->groups && SSL_set1_groups_list(ssl, other->groups) != 1) return 0;
    tls_session_of(ssl)->shown = tls_context_hold(other);
    return 1;
}

enum { NAME_HEAD = 5 /* bytes of lengths and type before a name, RFC 6066 3 */ };

/* NULL: there is none. What is malformed OpenSSL refuses after. */
static const char *read_name(SSL *ssl, char text[TLSEXT_MAXLEN_host_name + 1]) {
    const unsigned char *bytes;
    size_t size;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &size) != 1 || size <= NAME_HEAD) return NULL;
    size_t length = (size_t)bytes[3] << 8 | bytes[4];
    if (bytes[2] != TLSEXT_NAMETYPE_host_name || length != size - NAME_HEAD) return NULL;
    if (length > TLSEXT_MAXLEN_host_name || memchr(bytes + NAME_HEAD, 0, length)) return NULL;
    memcpy(text, bytes + NAME_HEAD, length);
    text[length] = 0;
    return text;
}

static struct tls_context *choose_context(const struct tls_context *context, const char *name, int *refused) {
    struct tls_context *other = find_name(context, name);
    if (other || !context->choose) return other;
    return context->choose(context->choose_owner, name, refused);
}

/* Before OpenSSL resumes a session or agrees on a version. After a HelloRetryRequest it is called again. */
static int on_client_hello(SSL *ssl, int *alert, void *unused) {
    struct tls_session *session = tls_session_of(ssl);
    char memory[TLSEXT_MAXLEN_host_name + 1];
    int refused = 0;
    (void)unused;
    if (session->named) return SSL_CLIENT_HELLO_SUCCESS;
    session->named = 1;
    const char *name = read_name(ssl, memory);
    struct tls_context *other = name ? choose_context(session->context, name, &refused) : NULL;
    *alert = refused ? SSL_AD_UNRECOGNIZED_NAME : SSL_AD_INTERNAL_ERROR;
    if (refused || (other && !use_context(ssl, other))) return SSL_CLIENT_HELLO_ERROR;
    tls_resumption_bind(ssl, other ? other : session->context, name);
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* OpenSSL keeps the name for SSL_get_servername(3), and tells the client that it was used. */
static int on_server_name(SSL *ssl, int *alert, void *unused) {
    (void)alert, (void)unused;
    return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* The context whose certificate is shown: that of the name, or the session's own. */
static const struct tls_context *shown_context(const SSL *ssl) {
    const struct tls_session *session = tls_session_of(ssl);
    return session->shown ? session->shown : session->context;
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
    SSL_CTX_set_client_hello_cb(context->ssl, on_client_hello, NULL);
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
