/* What the files of the HTTP client share: the client is in http_client.c, its sockets in http_client_socket.c, a
 * transfer in http_client_transfer.c, what comes for it in http_client_answer.c, its outcome in
 * http_client_outcome.c. */
#ifndef PERIGEE_IO_HTTP_CLIENT_PRIVATE_H
#define PERIGEE_IO_HTTP_CLIENT_PRIVATE_H

#include "bytes/content_coding.h"
#include "io/curl.h"
#include "io/http_client.h"

#include <ev.h>

struct http_client_socket;

struct http_client {
    struct curl curl;
    struct ev_loop *ev;
    CURLM *multi;                        /* NULL: no connection is open, no transfer runs */
    ev_timer timer;                      /* when libcurl wants to look at its transfers again */
    ev_timer idle;                       /* when idle connections are closed; runs while no transfer does */
    long running, most_running;          /* transfers; the most at a time since there is the multi handle */
    int closes_idle;                     /* as soon as no transfer runs */
    struct http_client_socket **sockets; /* by descriptor; NULL: that one is not libcurl's */
    size_t socket_count;
};

/* What is to come next: a status line; a field, or the head's end; trailers, as the head is whole. */
enum http_head_state { HEAD_STATUS, HEAD_FIELDS, HEAD_TRAILERS };
enum http_fault {
    FAULT_NONE,
    FAULT_STALE,
    FAULT_REPEAT,
    FAULT_STATUS_LINE,
    FAULT_LENGTHS,
    FAULT_HEAD_LIMIT,
    FAULT_BODY_LIMIT,
    FAULT_CODING,
    FAULT_DAMAGED,
    FAULT_FOLLOWED,
    FAULT_MEMORY
};

struct http_lines {
    struct curl_slist *first, *last;
};

struct http_transfer {
    struct http_client *client;
    CURL *easy;
    struct http_lines headers, resolve;
    http_transfer_done *done;
    void *context;
    enum http_client_state state;
    int is_sent, is_repeatable; /* the request is: it may have come to the server; it may come there twice */
    enum http_head_state head_state;
    enum http_fault fault;                    /* why it was ended by us */
    size_t head_size, head_limit, body_limit; /* of the answer */
    int has_length;                           /* the head has told the body's: */
    unsigned long long length;
    int decodes;
    struct content_decoder decoder;
    size_t body_size; /* of the request */
    struct http_client_answer answer;
    int socket_error; /* errno of the last socket(2) that failed */
    char error[CURL_ERROR_SIZE];
};

/* libcurl is asked for sockets by us, and tells which events it waits for. */
void http_client_use_sockets(struct http_client *client);
void http_transfer_use_sockets(struct http_transfer *transfer);
void http_client_forget_sockets(struct http_client *client); /* after libcurl has closed them */

/* Whether more has come on the connection that a transfer is about to be sent on than the answers before: whatever that
 * is, it is no answer to this one. Or it has ended. */
int http_client_is_stale(const struct http_client *client, CURL *easy, int own_port);

/* Lets libcurl go on, and ends the transfers that are complete. */
void http_client_act(struct http_client *client, curl_socket_t fd, int events);

/* Starts and ends a transfer in libcurl. 0, or -1 when out of memory. */
int http_client_add(struct http_client *client, CURL *easy);
void http_client_remove(struct http_client *client, CURL *easy);

/* Has it sent on a new connection. 0, or -1. */
int http_transfer_restart(struct http_transfer *transfer);

size_t http_transfer_on_head(char *line, size_t one, size_t size, void *transfer);  /* CURLOPT_HEADERFUNCTION(3) */
size_t http_transfer_on_body(char *bytes, size_t one, size_t size, void *transfer); /* CURLOPT_WRITEFUNCTION(3) */

/* Takes what became of a transfer into its answer, while libcurl still has it. */
void http_transfer_conclude(struct http_transfer *transfer, CURLcode result);
void http_transfer_conclude_stop(struct http_transfer *transfer);

#endif
