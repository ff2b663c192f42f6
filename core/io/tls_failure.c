#include "io/tls_private.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { REASON_MAX = 256 /* bytes of a text for why, the rest says what */ };

enum { ALERT = 1000 /* OpenSSL's reason for the peer's alert N is 1000 + N, SSL_AD_REASON_OFFSET */ };

static void set_text(struct tls_failure *failure, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
}

/* OpenSSL 3.0 has no words for two of them. */
static const char *alert_text(int reason, struct tls_failure *memory) {
    int alert = reason - ALERT;
    const char *text = SSL_alert_desc_string_long(alert);
    if (alert == SSL_AD_CERTIFICATE_REQUIRED) text = "certificate required";
    if (alert == SSL_AD_MISSING_EXTENSION) text = "missing extension";
    set_text(memory, "the peer refuses it: %s", text);
    if (strcmp(text, "unknown") == 0) set_text(memory, "the peer refuses it by its alert %d", alert);
    return memory->text;
}

static const char *reason_text(int reason, struct tls_failure *memory) {
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) return "the peer ended without TLS's close_notify: truncated?";
    if (reason >= ALERT) return alert_text(reason, memory);
    const char *text = reason ? ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, reason)) : NULL;
    return text ? text : "TLS has failed";
}

const char *tls_error_text(int error, struct tls_failure *memory) {
    return reason_text(TLS_ERROR - error, memory);
}

/* The first error of TLS's own is the cause, what follows are its consequences. */
static int take_reason(void) {
    unsigned long code;
    do code = ERR_get_error();
    while (code && ERR_GET_LIB(code) != ERR_LIB_SSL);
    ERR_clear_error();
    return ERR_GET_REASON(code);
}

int tls_take_error(const SSL *ssl, int result) {
    int error = errno, kind = SSL_get_error(ssl, result);
    if (kind == SSL_ERROR_SYSCALL && !ERR_peek_error()) return error ? error : ECONNRESET;
    return TLS_ERROR - take_reason();
}

/* The name that the certificate should have had. */
static const char *expected_name(const SSL *ssl, char *text, size_t size) {
    X509_VERIFY_PARAM *parameters = SSL_get0_param((SSL *)ssl);
    const char *host = X509_VERIFY_PARAM_get0_host(parameters, 0);
    char *address = host ? NULL : X509_VERIFY_PARAM_get1_ip_asc(parameters);
    snprintf(text, size, "%s", host ? host : address ? address : "");
    OPENSSL_free(address);
    return text;
}

static void describe_mismatch(struct tls_failure *failure, const SSL *ssl, const char *whose, const char *why) {
    char name[96];
    set_text(failure, "the certificate of %s is not for '%s': %s", whose, expected_name(ssl, name, sizeof name), why);
}

static void describe_verification(struct tls_failure *failure, const SSL *ssl, long result) {
    const char *why = X509_verify_cert_error_string(result), *rejected = tls_session_of(ssl)->rejected;
    const char *whose = rejected ? rejected : "the peer";
    if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH)
        describe_mismatch(failure, ssl, whose, why);
    else set_text(failure, "the certificate of %s is not valid: %s", whose, why);
}

/* What OpenSSL's own words, which follow, do not say to everybody. */
static const char *plain_words(int reason) {
    switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER: return "the peer does not speak TLS";
    case SSL_R_HTTP_REQUEST: return "the peer speaks HTTP without TLS";
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_UNSUPPORTED_PROTOCOL: return "there is no common version of TLS";
    case SSL_R_NO_SHARED_CIPHER: return "there is no common cipher";
    case SSL_R_NO_SUITABLE_KEY_SHARE: return "there is no common group";
    case SSL_R_NO_APPLICATION_PROTOCOL: return "there is no common protocol";
    case SSL_R_CALLBACK_FAILED: return "the server name is refused";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return "the peer shows no certificate";
    default: return NULL;
    }
}

/* TLS 1.2 has no alert that says so. */
static int has_no_certificate(const SSL *ssl, int reason) {
    const unsigned char *types;
    return reason == ALERT + SSL_AD_HANDSHAKE_FAILURE && !SSL_is_server(ssl) && !SSL_get_certificate(ssl) &&
           SSL_get0_certificate_types((SSL *)ssl, &types) > 0;
}

static void describe_reason(struct tls_failure *failure, const SSL *ssl, int reason) {
    struct tls_failure memory;
    long verified = SSL_get_verify_result(ssl);
    const char *words = plain_words(reason);
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK) {
        describe_verification(failure, ssl, verified);
    } else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        set_text(failure, "the peer ended the connection during the handshake");
    } else if (has_no_certificate(ssl, reason)) {
        set_text(failure, "the peer refuses it: certificate required (handshake failure)");
    } else if (words) {
        set_text(failure, "%s (%s)", words, reason_text(reason, &memory));
    } else {
        set_text(failure, "%s", reason_text(reason, &memory));
    }
}

void tls_describe_handshake(struct tls_failure *failure, const SSL *ssl, int result) {
    int error = tls_take_error(ssl, result);
    if (tls_is_error(error)) describe_reason(failure, ssl, TLS_ERROR - error);
    else set_text(failure, "%s", strerror(error));
}

void tls_describe(struct tls_failure *failure, const char *what, ...) {
    va_list arguments;
    int error = errno;
    unsigned long code = ERR_peek_error(); /* what follows are its consequences */
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    va_start(arguments, what);
    vsnprintf(failure->text, sizeof failure->text - REASON_MAX, what, arguments);
    va_end(arguments);
    size_t used = strlen(failure->text);
    snprintf(failure->text + used, sizeof failure->text - used, ": %s", reason ? reason : strerror(error));
    ERR_clear_error();
}
