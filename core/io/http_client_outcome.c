/* What became of a transfer: libcurl's and the system's words made into ours. */
#include "io/http_client_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char NO_ANSWER[] = "the peer closed the connection without an answer";

static void describe(struct http_transfer *transfer, const char *code, const char *why) {
    transfer->answer.code = code;
    snprintf(transfer->answer.why, sizeof transfer->answer.why, "%s", why);
}

/* libcurl's own words, which are about this case, or those about all such. */
static const char *words(const struct http_transfer *transfer, CURLcode result) {
    return transfer->error[0] ? transfer->error : transfer->client->curl.easy_strerror(result);
}

static void describe_limit(struct http_transfer *transfer, const char *what, size_t limit) {
    transfer->answer.code = "limit";
    snprintf(transfer->answer.why, sizeof transfer->answer.why, "the %s of the answer has more than %zu bytes", what,
             limit);
}

static void describe_fault(struct http_transfer *transfer) {
    switch (transfer->fault) {
    case FAULT_NONE: return;
    case FAULT_STALE:
    case FAULT_REPEAT: describe(transfer, "closed", NO_ANSWER); return;
    case FAULT_STATUS_LINE: describe(transfer, "protocol", "the answer does not begin with an HTTP status"); return;
    case FAULT_LENGTHS: describe(transfer, "protocol", "the answer has two lengths that differ"); return;
    case FAULT_HEAD_LIMIT: describe_limit(transfer, "head", transfer->head_limit); return;
    case FAULT_BODY_LIMIT: describe_limit(transfer, "body", transfer->body_limit); return;
    case FAULT_CODING: describe(transfer, "protocol", "the body is coded as was not asked for"); return;
    case FAULT_DAMAGED: describe(transfer, "protocol", "the compressed body is damaged"); return;
    case FAULT_FOLLOWED: describe(transfer, "protocol", "something follows on the compressed body"); return;
    case FAULT_MEMORY: describe(transfer, "limit", "not enough memory for the answer"); return;
    }
}

static void describe_errno(struct http_transfer *transfer, long error, const char *otherwise) {
    switch (error) {
    case ECONNREFUSED: describe(transfer, "refused", "connection refused"); return;
    case ECONNRESET: describe(transfer, "reset", "connection reset by the peer"); return;
    case EPIPE: describe(transfer, "closed", "the peer closed the connection"); return;
    case ETIMEDOUT: describe(transfer, "timeout", "the connection timed out"); return;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: describe(transfer, "limit", strerror((int)error)); return;
    case EACCES:
    case EPERM: describe(transfer, "denied", strerror((int)error)); return;
    case 0: describe(transfer, otherwise, words(transfer, CURLE_OK)); return;
    default: describe(transfer, otherwise, strerror((int)error)); return;
    }
}

static long system_error(const struct http_transfer *transfer) {
    long error = 0;
    transfer->client->curl.easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &error);
    return error ? error : transfer->socket_error;
}

/* libcurl takes the end of the connection for the end of the head, and of a body whose length is not told. */
static void check_end(struct http_transfer *transfer) {
    if (transfer->head_state == HEAD_FIELDS)
        describe(transfer, "closed", "the peer closed the connection in the head of the answer");
    if (transfer->head_state == HEAD_STATUS) describe(transfer, "protocol", "the answer is only a provisional one");
    if (!content_decoder_is_whole(&transfer->decoder)) describe(transfer, "protocol", "the compressed body is cut off");
}

/* Of "OpenSSL/3.0.1: error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0" the words that are for
 * people. */
static void describe_tls(struct http_transfer *transfer, const char *why) {
    const char *reason = strstr(why, "error:") ? strstr(why, "routines::") : NULL;
    reason = reason ? reason + strlen("routines::") : why;
    if (strstr(reason, "wrong version number")) reason = "the peer does not speak TLS";
    describe(transfer, "tls", reason);
    char *end = strstr(transfer->answer.why, ", errno ");
    if (end) *end = '\0';
}

/* When there was no error of the system libcurl's words alone say why. */
static void describe_broken(struct http_transfer *transfer, const char *why) {
    long error = system_error(transfer);
    if (error) describe_errno(transfer, error, "closed");
    else if (strstr(why, "SSL")) describe_tls(transfer, why);
    else describe(transfer, strstr(why, "chunked-encoding") ? "protocol" : "closed", why);
}

/* libcurl says this of a line of more than 100 KB as well, and of a request whose head has more than a MiB. */
static const char *memory_words(const struct http_transfer *transfer) {
    long sent = 0;
    transfer->client->curl.easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent);
    if (transfer->is_sent && !sent) return "the head of the request is too long";
    return transfer->head_state == HEAD_TRAILERS ? "not enough memory" : "the answer has a line without an end";
}

static void describe_result(struct http_transfer *transfer, CURLcode result) {
    const char *why = words(transfer, result);
    switch (result) {
    case CURLE_COULDNT_CONNECT: describe_errno(transfer, system_error(transfer), "unreachable"); return;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_INTERFACE_FAILED: describe(transfer, "unreachable", why); return;
    case CURLE_OPERATION_TIMEDOUT: describe(transfer, "timeout", "timed out"); return;
    case CURLE_GOT_NOTHING: describe(transfer, "closed", NO_ANSWER); return;
    case CURLE_PARTIAL_FILE: describe(transfer, "closed", why); return;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: describe_broken(transfer, why); return;
    case CURLE_OUT_OF_MEMORY: describe(transfer, "limit", memory_words(transfer)); return;
    case CURLE_UNSUPPORTED_PROTOCOL: describe(transfer, "protocol", "the peer does not speak HTTP"); return;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_SHUTDOWN_FAILED:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CLIENTCERT: describe_tls(transfer, why); return;
    default: describe(transfer, "protocol", why); return;
    }
}

void http_transfer_conclude(struct http_transfer *transfer, CURLcode result) {
    const struct curl *curl = &transfer->client->curl;
    struct http_client_answer *answer = &transfer->answer;
    long status = 0;
    char *location = NULL;
    curl->easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl->easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &location);
    answer->status = (int)status;
    answer->location = location;
    if (transfer->fault) describe_fault(transfer);
    else if (result != CURLE_OK) describe_result(transfer, result);
    else check_end(transfer);
}

static curl_off_t number(const struct http_transfer *transfer, CURLINFO what) {
    curl_off_t value = 0;
    transfer->client->curl.easy_getinfo(transfer->easy, what, &value);
    return value;
}

/* libcurl counts TLS among what it calls connecting: the port is known before that. */
static int has_connected(const struct http_transfer *transfer) {
    long port = 0;
    transfer->client->curl.easy_getinfo(transfer->easy, CURLINFO_LOCAL_PORT, &port);
    return port > 0 || number(transfer, CURLINFO_CONNECT_TIME_T) > 0;
}

static const char *phase(const struct http_transfer *transfer) {
    if (!has_connected(transfer)) return "connecting";
    if (!number(transfer, CURLINFO_PRETRANSFER_TIME_T)) return "in the TLS handshake";
    if (transfer->head_size) return "in the middle of the answer";
    int has_sent = number(transfer, CURLINFO_SIZE_UPLOAD_T) >= (curl_off_t)transfer->body_size;
    return has_sent ? "waiting for the answer" : "sending the body";
}

void http_transfer_conclude_stop(struct http_transfer *transfer) {
    transfer->answer.code = "timeout";
    snprintf(transfer->answer.why, sizeof transfer->answer.why, "timed out, %s", phase(transfer));
}
