/* The HTTP client: many transfers at a time, by libcurl on the loop, with connections that are kept for the next ones.
 * Owner: the runtime, one for its loop, made with the first request. While no transfer runs it keeps idle connections
 * for some seconds at most; then it holds no descriptor.
 * Invariant: nothing of the caller's is called from inside of libcurl. */
#ifndef PERIGEE_IO_HTTP_CLIENT_H
#define PERIGEE_IO_HTTP_CLIENT_H

#include "bytes/text.h"

struct loop;
struct http_client;
struct http_transfer;

/* NULL with the reason in the `size` bytes at `failure`. */
struct http_client *http_client_new(struct loop *loop, char *failure, size_t size);
void http_client_free(struct http_client *client); /* after its transfers */

/* Closes the idle connections: now, or as soon as no transfer runs. */
void http_client_close_idle(struct http_client *client);

/* All but method and url may be NULL. */
struct http_client_request {
    const char *method, *url;
    const char *body; /* body_size bytes, borrowed until the transfer is freed; NULL: the request has none */
    size_t body_size;
    const char *proxy;                             /* its URL; NULL: straight to the server */
    const char *unix_path;                         /* of a socket, to be connected to in place of the URL's host */
    const char *ca, *certificate, *key, *password; /* PEM files; ca NULL: the system's */
    int trusts_all;                                /* whatever the certificate */
    int keeps_encoding;                            /* the body stays as it comes */
    size_t head_limit, body_limit;                 /* bytes of the answer's heads, and of its body when it is decoded */
};

enum http_client_state { TRANSFER_NEW, TRANSFER_RUNNING, TRANSFER_DONE };

struct http_client_answer {
    int status;       /* 0: there was none */
    const char *code; /* the short word of a failure; NULL: the answer is whole */
    char why[320];    /* of a failure, in words */
    struct text head; /* the lines of the final answer's head, but for the status line; a LF at the end of each */
    struct text body;
    const char *location; /* where a redirect leads to, as a whole URL; NULL: nowhere */
};

typedef void http_transfer_done(void *context);

/* NULL when out of memory. `done` is called once after a start, which may be before that returns, unless the transfer
 * is stopped first. It may not free the transfer. */
struct http_transfer *http_transfer_new(struct http_client *client, http_transfer_done *done, void *context);
void http_transfer_free(struct http_transfer *transfer); /* stops it */
/* "Name: value", copied. 0, or -1 when out of memory. */
int http_transfer_add_header(struct http_transfer *transfer, const char *line);
/* "host:port:address,address": what a name stands for. libcurl looks up the others, which may block for a while. */
int http_transfer_add_addresses(struct http_transfer *transfer, const char *line);
/* 0, or -1 with the reason in the answer. The strings are copied, but for the body. */
int http_transfer_start(struct http_transfer *transfer, const struct http_client_request *request);
enum http_client_state http_transfer_state(const struct http_transfer *transfer);
/* Lasts as long as the transfer; is filled when that is done. */
const struct http_client_answer *http_transfer_answer(const struct http_transfer *transfer);
/* Cancels a running transfer, with the connection that it is on: it is done, its answer a failure by "timeout" that
 * says what it waited for. `done` is not called. */
void http_transfer_stop(struct http_transfer *transfer);

struct http_client_place {
    char scheme[8], host[256], port[8];
    char url[]; /* without the user and the password, for messages */
};

/* The parts of a URL, to be freed by free(3). NULL with the reason. */
struct http_client_place *http_client_parse(struct http_client *client, const char *url, char *failure, size_t size);

#endif
