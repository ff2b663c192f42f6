/* One client of an HTTP/1.1 server (RFC 9112): heads are read and refused here, one request at a time is handed out,
 * and its answer is written back. Pipelined requests are answered in one send. An idle client has no task and no
 * buffer.
 * Owner: itself; it is freed after its `ended` call. Whoever was handed a request calls http_connection_finish once,
 * and does not touch the client after. */
#ifndef PERIGEE_HTTP_HTTP_CONNECTION_H
#define PERIGEE_HTTP_HTTP_CONNECTION_H

#include "bytes/http_body.h"
#include "bytes/http_head.h"
#include "bytes/text.h"
#include "io/connection.h"
#include "system/address.h"

struct http_connection;

/* What the clients of one listener share; it outlives them. */
struct http_server {
    struct loop *loop;
    struct http_limits limits;
    uint64_t body_limit;                            /* bytes */
    float head_timeout, body_timeout, idle_timeout; /* seconds */
    /* A request has come. To be answered, now or later; head and bytes last until http_connection_begin. */
    void (*requested)(struct http_connection *client, const struct http_head *head, const char *bytes);
    void (*refused)(struct http_connection *client, const struct http_problem *problem); /* it was no request */
    void (*gone)(struct http_connection *client);  /* the peer of a stream has gone: it should be finished */
    void (*ended)(struct http_connection *client); /* the last call */
    struct http_connection *clients;
    unsigned count;
    int closing;         /* connections end with their answers */
    int draining;        /* answers say that they are the last; the connections stay until that has been said */
    struct text scratch; /* for one head */
    int64_t second;      /* that the date is of */
    char start[64];      /* the first line of the usual answer, and its date */
    const char *date;    /* in it: "Date: ...\r\n" */
};

enum http_phase {
    HTTP_READING,   /* a head, or nothing yet */
    HTTP_HANDLING,  /* a request was handed out */
    HTTP_SKIPPING,  /* it is answered, but the rest of its body is still to come */
    HTTP_STREAMING, /* its answer goes on without anybody: by a fan-out */
    HTTP_ENDED
};

struct http_connection {
    struct connection io;
    struct http_server *server;
    struct http_connection *next, **link; /* among the server's clients */
    struct waiter reader, writer;
    struct timer timer;    /* may be set earlier than the deadline, then it is moved when it fires */
    double deadline;       /* on the loop's clock */
    void *exchange;        /* whoever answers the request, and has not done so yet */
    struct http_body body; /* of the request */
    uint64_t received;     /* bytes of it */
    uint64_t body_limit;   /* of this request, bytes */
    double body_began;     /* when it was first asked for; 0: not yet */
    uint64_t sent;         /* bytes of its answer's body, as far as they are known */
    struct packed_endpoint peer;
    size_t stuck;            /* bytes of output that were queued when the timer last fired */
    uint16_t status;         /* of the answer */
    uint32_t scanned;        /* bytes of the pending input that have no end of a head */
    uint32_t handed;         /* bytes of the pending input that were handed out as body */
    unsigned phase : 3;      /* enum http_phase */
    unsigned running : 1;    /* inside http_run: it is freed there */
    unsigned woken : 1;      /* its timer is to go on with it */
    unsigned partial : 1;    /* some bytes of a head have come */
    unsigned lf_skipped : 1; /* the one empty line before a request has been dropped */
    unsigned keep_alive : 1; /* another request may follow */
    unsigned minor : 1;      /* of the request's version */
    unsigned head_only : 1;  /* no body follows its answer's head: it is HEAD, or the status has none */
    unsigned expects : 1;    /* the peer waits for 100 Continue */
    unsigned long_body : 1;  /* chunked, or longer than is worth skipping */
    unsigned answered : 1;   /* the head of the answer is written */
    unsigned chunked : 1;    /* the answer's body is sent in chunks */
    unsigned broken : 1;     /* the answer cannot be made whole any more */
    unsigned pings : 1;      /* a silent stream sends a comment now and then */
};

/* `server` with its callbacks set: the defaults for the rest. */
void http_server_init(struct http_server *server, struct loop *loop);
void http_server_destroy(struct http_server *server);
/* Ends the idle clients; the others end with their answers. */
void http_server_close(struct http_server *server);
/* Parts with the clients without harm: each is told by its next answer that it is the last one, and idle ones are closed
 * when they have been silent for `grace` seconds. */
void http_server_drain(struct http_server *server, double grace);

/* Takes the stream. NULL when out of memory: then it is still the caller's. */
struct http_connection *http_connection_new(struct http_server *server, const struct stream *stream,
                                            const struct endpoint *peer);

/* There may be pending bytes: they are looked at before the loop sleeps. */
void http_connection_look(struct http_connection *client);

/* The head has been copied: what is read from now on is the body. */
void http_connection_begin(struct http_connection *client);
/* The request is done with. When its answer is broken, or there is none, the connection ends: by a reset, unless the
 * peer can tell from the missing last chunk. */
void http_connection_finish(struct http_connection *client);
/* Its answer goes on by itself, as a stream, until the peer or a write ends it: instead of finish. */
void http_connection_stream(struct http_connection *client);
/* Watch for the peer's end while the answer is a stream. */
void http_connection_watch(struct http_connection *client, int pings);
/* The same for one whose watch a read of the body has taken the place of; nothing when it is no stream. */
void http_connection_watch_again(struct http_connection *client);
/* Moves the connection to `to`, for another protocol, and frees the client without its `ended` call. */
void http_connection_hand_over(struct http_connection *client, struct connection *to);
void http_connection_end(struct http_connection *client, void (*end)(struct connection *));

/* The next bytes of the body: they last until the next call. Asks for more by WAIT as http_body_next does by MORE;
 * the problem's status is 0 when the peer ended too early. */
enum http_body_status http_connection_read_body(struct http_connection *client, const char **bytes, size_t *count,
                                                struct http_problem *problem);
/* Until when the body has to have come, as far as it has: a slow peer has to send 1000 bytes a second. */
double http_connection_body_deadline(const struct http_connection *client);

enum http_framing {
    HTTP_FRAMING_NONE,   /* there is no body, and no length is said */
    HTTP_FRAMING_LENGTH, /* `length` bytes follow */
    HTTP_FRAMING_STREAM  /* chunks, or, for a client of HTTP/1.0, until the connection ends */
};

struct http_answer {
    int status;
    const char *fields; /* "Name: value\r\n" and so on, checked by the caller */
    size_t fields_length;
    enum http_framing framing;
    uint64_t length;  /* bytes of the body */
    const char *body; /* of HTTP_FRAMING_LENGTH, when it is to leave with the head; NULL: it follows */
};

/* Writes the answer's head, and its body when it is there already. 0, or -1 when out of memory. Otherwise the body
 * follows by the connection's own writes, unless http_connection_sends_body says no. */
int http_connection_answer(struct http_connection *client, const struct http_answer *answer);
/* Answers with a short text that ends the connection. */
void http_connection_refuse(struct http_connection *client, const struct http_problem *problem);
static inline int http_connection_sends_body(const struct http_connection *client) {
    return !client->head_only;
}

#endif
