#include "io/tls.h"
#include "bytes/tiny.h"
#include "io/tls_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RECORD = 16 * 1024,       /* bytes of plain text that one record has at most, RFC 8446 5.1 */
    READ_AHEAD = 64 * 1024,   /* bytes that one read(2) may bring, after the handshake */
    WRITE_SHARE = 1024 * 1024 /* bytes that one call sends at most */
};

static SSL *ssl_of(const struct stream *stream) {
    return stream->session;
}

static size_t at_most(size_t length, size_t limit) {
    return length < limit ? length : limit;
}

/* After a call that gave `result`: -1 with errno EAGAIN, or with what has broken the stream. */
static int tls_fail(const SSL *ssl, int result) {
    int error = errno, kind = SSL_get_error(ssl, result);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) return errno = EAGAIN, -1;
    errno = error;
    errno = tls_take_error(ssl, result);
    return -1;
}

/* What the last try to read came to, for the session's `end`. */
static int read_outcome(const SSL *ssl, int result) {
    if (result == 1) return 0;
    if (SSL_get_error(ssl, result) == SSL_ERROR_ZERO_RETURN) return TLS_ENDED;
    tls_fail(ssl, result);
    return errno;
}

static ssize_t tell_end(struct tls_session *session) {
    int end = session->end;
    if (end == TLS_ENDED) return 0;
    if (end == EAGAIN) session->end = 0;
    errno = end;
    return -1;
}

/* A record may bring less than there is room for: it goes on while OpenSSL holds more. What ends that is told by the
 * next call: OpenSSL itself would not tell it twice. */
static ssize_t tls_read(struct stream *stream, void *bytes, size_t room) {
    SSL *ssl = ssl_of(stream);
    struct tls_session *session = tls_session_of(ssl);
    size_t total = 0, count = 0;
    if (session->end) return tell_end(session);
    room = at_most(room, READ_LIMIT);
    ERR_clear_error();
    do {
        int result = SSL_read_ex(ssl, (char *)bytes + total, room - total, &count);
        session->end = read_outcome(ssl, result);
        if (!session->end) total += count;
    } while (!session->end && total < room && SSL_has_pending(ssl));
    if (!total) return tell_end(session);
    if (session->end == EAGAIN) session->end = 0;
    return (ssize_t)total;
}

static int tls_pending(const struct stream *stream) {
    const SSL *ssl = ssl_of(stream);
    return tls_session_of(ssl)->end || SSL_has_pending(ssl);
}

/* The part of what is to be sent that the next record takes. */
struct outgoing {
    const struct iovec *vectors;
    int count;
    size_t offset; /* bytes of the first vector that are sent */
};

static void outgoing_skip(struct outgoing *outgoing, size_t count) {
    outgoing->offset += count;
    while (outgoing->count && outgoing->offset >= outgoing->vectors->iov_len) {
        outgoing->offset -= outgoing->vectors->iov_len;
        outgoing->vectors++;
        outgoing->count--;
    }
}

/* What fills a record by itself is not copied; small pieces are put together, so that they share one. */
static const char *outgoing_record(const struct outgoing *outgoing, char scratch[RECORD], size_t *length) {
    const struct iovec *first = outgoing->vectors;
    const char *bytes = (const char *)first->iov_base + outgoing->offset;
    *length = at_most(first->iov_len - outgoing->offset, RECORD);
    if (*length == RECORD || outgoing->count == 1) return bytes;
    memcpy(scratch, bytes, *length);
    for (int i = 1; i < outgoing->count && *length < RECORD; i++) {
        size_t piece = at_most(outgoing->vectors[i].iov_len, RECORD - *length);
        memcpy(scratch + *length, outgoing->vectors[i].iov_base, piece);
        *length += piece;
    }
    return scratch;
}

/* A write that has to wait is tried again with the same bytes, and perhaps more after them: what OpenSSL wants. */
static ssize_t tls_write(struct stream *stream, const struct iovec *vectors, int count) {
    SSL *ssl = ssl_of(stream);
    struct outgoing outgoing = {vectors, count, 0};
    char scratch[RECORD];
    size_t total = 0, length, written;
    ERR_clear_error();
    while (outgoing.count && total < at_most(WRITE_SHARE, WRITE_LIMIT)) {
        const char *bytes = outgoing_record(&outgoing, scratch, &length);
        int result = SSL_write_ex(ssl, bytes, at_most(length, WRITE_LIMIT), &written);
        if (result != 1) return total ? (ssize_t)total : tls_fail(ssl, result);
        total += written;
        outgoing_skip(&outgoing, written);
    }
    return (ssize_t)total;
}

static ssize_t send_file_by_kernel(SSL *ssl, int fd, off_t offset, size_t length) {
    ossl_ssize_t sent = SSL_sendfile(ssl, fd, offset, length, 0);
    return sent < 0 ? tls_fail(ssl, (int)sent) : sent;
}

static ssize_t tls_send_file(struct stream *stream, int fd, off_t offset, size_t length) {
    SSL *ssl = ssl_of(stream);
    char scratch[RECORD];
    size_t total = 0, written, share = at_most(at_most(length, WRITE_SHARE), WRITE_LIMIT);
    ERR_clear_error();
    if (BIO_get_ktls_send(SSL_get_wbio(ssl))) return send_file_by_kernel(ssl, fd, offset, length);
    while (total < share) {
        ssize_t count = pread(fd, scratch, at_most(share - total, RECORD), offset + (off_t)total);
        if (count <= 0) return total ? (ssize_t)total : count;
        int result = SSL_write_ex(ssl, scratch, (size_t)count, &written);
        if (result != 1) return total ? (ssize_t)total : tls_fail(ssl, result);
        total += written;
    }
    return (ssize_t)total;
}

/* -1 with errno EAGAIN: close_notify could not be sent yet. Otherwise our side is ended, if only by the kernel. */
static int tls_shutdown(struct stream *stream) {
    SSL *ssl = ssl_of(stream);
    ERR_clear_error();
    int is_sent = (SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN) != 0, result = is_sent ? 0 : SSL_shutdown(ssl);
    if (result < 0 && SSL_get_error(ssl, result) == SSL_ERROR_WANT_WRITE) return errno = EAGAIN, -1;
    ERR_clear_error();
    return shutdown(stream->fd, SHUT_WR);
}

static void free_session(SSL *ssl) {
    struct tls_session *session = tls_session_of(ssl);
    SSL_free(ssl);
    tls_context_drop(session->context);
    if (session->shown) tls_context_drop(session->shown);
    free(session->peer);
    OPENSSL_free(session->rejected);
    free(session);
}

/* Inside of OpenSSL, which will not know that the descriptor's number is another's. */
static void abandon_session(SSL *ssl) {
    BIO_set_fd(SSL_get_rbio(ssl), -1, BIO_NOCLOSE);
    BIO_set_fd(SSL_get_wbio(ssl), -1, BIO_NOCLOSE);
    tls_session_of(ssl)->abandoned = 1;
}

void tls_cancel(struct stream *stream) {
    SSL *ssl = ssl_of(stream);
    stream_init_plain(stream, stream->fd);
    if (tls_session_of(ssl)->busy) abandon_session(ssl);
    else free_session(ssl);
}

static void tls_close(struct stream *stream) {
    tls_cancel(stream);
    stream->transport->close(stream);
}

static const struct transport tls = {
    .name = "TLS",
    .read = tls_read,
    .write = tls_write,
    .send_file = tls_send_file,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .pending = tls_pending,
};

int stream_is_tls(const struct stream *stream) {
    return stream->transport == &tls;
}

int stream_is_shaking_hands(const struct stream *stream) {
    return stream_is_tls(stream) && !tls_session_of(ssl_of(stream))->begun;
}

int tls_start(struct stream *stream, struct tls_context *context) {
    ERR_clear_error();
    struct tls_session *session = calloc(1, sizeof *session);
    SSL *ssl = session ? SSL_new(context->ssl) : NULL;
    if (!ssl || SSL_set_fd(ssl, stream->fd) != 1) {
        SSL_free(ssl);
        free(session);
        return -1;
    }
    session->context = tls_context_hold(context);
    SSL_set_app_data(ssl, session);
    if (context->is_server) SSL_set_accept_state(ssl);
    else SSL_set_connect_state(ssl);
    stream->transport = &tls;
    stream->session = ssl;
    return 0;
}

static int is_literal(const char *name) {
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

int tls_expect(struct stream *stream, const char *name, const char *peer) {
    SSL *ssl = ssl_of(stream);
    ERR_clear_error();
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_literal(name)) {
        if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) != 1) return -1;
    } else if (SSL_set1_host(ssl, name) != 1 || SSL_set_tlsext_host_name(ssl, name) != 1) {
        return -1;
    }
    tls_resumption_begin(ssl, peer, name);
    return 0;
}

static enum tls_step fail_abandoned(SSL *ssl, struct tls_failure *failure) {
    snprintf(failure->text, sizeof failure->text, "the connection was closed during the handshake");
    free_session(ssl);
    return TLS_FAILED;
}

enum tls_step tls_handshake(struct stream *stream, struct tls_failure *failure) {
    SSL *ssl = ssl_of(stream);
    struct tls_session *session = tls_session_of(ssl);
    ERR_clear_error();
    session->busy = 1;
    int result = SSL_do_handshake(ssl), error = errno;
    session->busy = 0;
    if (session->abandoned) return fail_abandoned(ssl, failure);
    if (result == 1) {
        session->begun = 1;
        SSL_set_default_read_buffer_len(ssl, READ_AHEAD);
        return TLS_DONE;
    }
    int kind = SSL_get_error(ssl, result);
    if (kind == SSL_ERROR_WANT_READ) return TLS_WANTS_READ;
    if (kind == SSL_ERROR_WANT_WRITE) return TLS_WANTS_WRITE;
    errno = error;
    tls_describe_handshake(failure, ssl, result);
    return TLS_FAILED;
}

void tls_describe_session(const struct stream *stream, struct tls_facts *facts) {
    SSL *ssl = ssl_of(stream);
    *facts = (struct tls_facts){
        .version = SSL_get_version(ssl),
        .cipher = SSL_get_cipher_name(ssl),
        .server_name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
        .resumed = SSL_session_reused(ssl),
        .ktls_sends = BIO_get_ktls_send(SSL_get_wbio(ssl)),
        .ktls_reads = BIO_get_ktls_recv(SSL_get_rbio(ssl)),
        .peer = SSL_get0_peer_certificate(ssl),
    };
    facts->verified = facts->peer && SSL_get_verify_mode(ssl) && SSL_get_verify_result(ssl) == X509_V_OK;
    SSL_get0_alpn_selected(ssl, &facts->protocol, &facts->protocol_length);
}
