#include "io/http_client_private.h"

#include <stdlib.h>
#include <string.h>

enum { RECEIVE_SIZE = 64 * 1024 /* bytes that libcurl reads at a time */ };

/* RFC 9110 9.2.2. */
static int is_idempotent(const char *method) {
    static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(method, methods[i]) == 0) return 1;
    return 0;
}

/* CURLOPT_PREREQFUNCTION(3). When a connection that was kept breaks before the answer, libcurl sends the request again
 * on another, whatever the server has done. */
static int on_send(void *context, char *peer, char *own, int peer_port, int own_port) {
    struct http_transfer *transfer = context;
    (void)peer, (void)own, (void)peer_port;
    if (http_client_is_stale(transfer->client, transfer->easy, own_port)) {
        transfer->fault = FAULT_STALE;
        return CURL_PREREQFUNC_ABORT;
    }
    int is_repeated = transfer->is_sent;
    transfer->is_sent = 1;
    if (!is_repeated || transfer->is_repeatable) return CURL_PREREQFUNC_OK;
    transfer->fault = FAULT_REPEAT;
    return CURL_PREREQFUNC_ABORT;
}

/* Options. */

/* A copy of a text can fail for lack of memory. */
static void set_text(struct http_transfer *transfer, CURLoption option, const char *text) {
    if (transfer->client->curl.easy_setopt(transfer->easy, option, text) != CURLE_OK) transfer->fault = FAULT_MEMORY;
}

/* libcurl would decode the body as well, but does not see whether it is whole. */
static void set_receiving(struct http_transfer *transfer, const struct http_client_request *request) {
    const struct curl *curl = &transfer->client->curl;
    CURL *easy = transfer->easy;
    transfer->head_limit = request->head_limit;
    transfer->body_limit = request->body_limit;
    transfer->body_size = request->body_size;
    curl->easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_transfer_on_head);
    curl->easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_transfer_on_body);
    curl->easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl->easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_SIZE);
    transfer->decodes = !request->keeps_encoding;
    set_text(transfer, CURLOPT_ACCEPT_ENCODING, transfer->decodes ? "gzip, deflate" : NULL);
    curl->easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
}

/* HTTP/2 is left alone: with Debian's libcurl 7.88 transfers that share a connection fail with each other. */
static void set_connecting(struct http_transfer *transfer, const struct http_client_request *request) {
    const struct curl *curl = &transfer->client->curl;
    CURL *easy = transfer->easy;
    http_transfer_use_sockets(transfer);
    curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    set_text(transfer, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    set_text(transfer, CURLOPT_PROXY, request->proxy ? request->proxy : "");
    set_text(transfer, CURLOPT_NOPROXY, "");
    curl->easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set_text(transfer, CURLOPT_UNIX_SOCKET_PATH, request->unix_path);
    curl->easy_setopt(easy, CURLOPT_RESOLVE, transfer->resolve.first);
}

static void set_tls(struct http_transfer *transfer, const struct http_client_request *request) {
    const struct curl *curl = &transfer->client->curl;
    CURL *easy = transfer->easy;
    curl->easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (request->trusts_all) {
        curl->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (request->ca) {
        set_text(transfer, CURLOPT_CAPATH, NULL);
        set_text(transfer, CURLOPT_CAINFO, request->ca);
    }
    set_text(transfer, CURLOPT_SSLCERT, request->certificate);
    set_text(transfer, CURLOPT_SSLKEY, request->key);
    set_text(transfer, CURLOPT_KEYPASSWD, request->password);
}

/* What libcurl would do by itself for a body's sake is not wanted: a second's wait for servers that know nothing of
 * 100-continue. */
static void set_sending(struct http_transfer *transfer, const struct http_client_request *request) {
    const struct curl *curl = &transfer->client->curl;
    CURL *easy = transfer->easy;
    transfer->is_repeatable = is_idempotent(request->method);
    curl->easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_send);
    curl->easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    if (strcmp(request->method, "HEAD") == 0) curl->easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else set_text(transfer, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->body) {
        curl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
        curl->easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
        if (http_transfer_add_header(transfer, "Expect:") < 0) transfer->fault = FAULT_MEMORY;
    }
    curl->easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers.first);
    set_text(transfer, CURLOPT_URL, request->url);
}

/* Life. */

struct http_transfer *http_transfer_new(struct http_client *client, http_transfer_done *done, void *context) {
    struct http_transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer) return NULL;
    transfer->client = client;
    transfer->done = done;
    transfer->context = context;
    transfer->easy = client->curl.easy_init();
    if (transfer->easy) return transfer;
    free(transfer);
    return NULL;
}

void http_transfer_stop(struct http_transfer *transfer) {
    if (transfer->state != TRANSFER_RUNNING) return;
    http_transfer_conclude_stop(transfer);
    http_client_remove(transfer->client, transfer->easy);
    transfer->state = TRANSFER_DONE;
}

void http_transfer_free(struct http_transfer *transfer) {
    const struct curl *curl = &transfer->client->curl;
    http_transfer_stop(transfer);
    curl->easy_cleanup(transfer->easy);
    curl->slist_free_all(transfer->headers.first);
    curl->slist_free_all(transfer->resolve.first);
    content_decoder_destroy(&transfer->decoder);
    text_destroy(&transfer->answer.head);
    text_destroy(&transfer->answer.body);
    free(transfer);
}

/* libcurl looks for the end of a list that it appends to, from its beginning. */
static int add_line(const struct curl *curl, struct http_lines *lines, const char *line) {
    struct curl_slist *added = curl->slist_append(NULL, line);
    if (!added) return -1;
    if (lines->last) lines->last->next = added;
    else lines->first = added;
    lines->last = added;
    return 0;
}

int http_transfer_add_header(struct http_transfer *transfer, const char *line) {
    return add_line(&transfer->client->curl, &transfer->headers, line);
}

int http_transfer_add_addresses(struct http_transfer *transfer, const char *line) {
    return add_line(&transfer->client->curl, &transfer->resolve, line);
}

static int start(struct http_transfer *transfer, const struct http_client_request *request) {
    set_receiving(transfer, request);
    set_connecting(transfer, request);
    set_tls(transfer, request);
    set_sending(transfer, request);
    if (transfer->fault) return -1;
    return http_client_add(transfer->client, transfer->easy);
}

int http_transfer_start(struct http_transfer *transfer, const struct http_client_request *request) {
    if (start(transfer, request) < 0) {
        transfer->answer.code = "limit";
        strcpy(transfer->answer.why, "not enough memory or descriptors");
        return -1;
    }
    transfer->state = TRANSFER_RUNNING;
    http_client_act(transfer->client, CURL_SOCKET_TIMEOUT, 0); /* on a connection that is there it sends at once */
    return 0;
}

int http_transfer_restart(struct http_transfer *transfer) {
    const struct curl *curl = &transfer->client->curl;
    transfer->fault = FAULT_NONE;
    curl->easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
    curl->multi_remove_handle(transfer->client->multi, transfer->easy);
    if (curl->multi_add_handle(transfer->client->multi, transfer->easy) == CURLM_OK) return 0;
    transfer->fault = FAULT_MEMORY;
    return -1;
}

enum http_client_state http_transfer_state(const struct http_transfer *transfer) {
    return transfer->state;
}

const struct http_client_answer *http_transfer_answer(const struct http_transfer *transfer) {
    return &transfer->answer;
}
