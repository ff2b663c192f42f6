/* What the files of TLS share: tls_context.c (contexts), tls_names.c (what a client asks for), tls_resumption.c (tickets
 * and sessions), tls.c (the transport). */
#ifndef PERIGEE_IO_TLS_PRIVATE_H
#define PERIGEE_IO_TLS_PRIVATE_H

#include "io/tls_context.h"
#include "io/tls_tickets.h"

#include <openssl/ssl.h>

enum {
    TLS_SESSIONS = 16, /* that a client's context keeps to resume, the oldest is forgotten */
    TLS_IDENTITY = 32  /* bytes */
};

struct tls_name {
    struct tls_name *next;
    struct tls_context *context; /* held */
    char pattern[];
};

struct tls_kept_session {
    SSL_SESSION *session;
    char *peer; /* the name it was made for */
};

struct tls_context {
    unsigned holders;
    SSL_CTX *ssl;
    struct tls_tickets *tickets;
    struct tls_name *names;
    tls_choose *choose;
    void *choose_owner;
    unsigned char *protocols, *staple; /* NULL: none */
    char *groups;
    unsigned protocols_length, staple_length;
    const char *password; /* while a key is loaded */
    unsigned is_server : 1;
    unsigned password_asked : 1;          /* the key that is loaded is encrypted */
    unsigned char identity[TLS_IDENTITY]; /* of a server: of what it asks of clients whose sessions are resumed */
    unsigned next_session;
    struct tls_kept_session sessions[TLS_SESSIONS];
};

enum { TLS_ENDED = -1 /* by close_notify */ };

/* What we keep with each of OpenSSL's sessions. */
struct tls_session {
    struct tls_context *context; /* held */
    struct tls_context *shown;   /* held: whose certificate a server shows, when it is not the context's; NULL: none */
    char *peer;                  /* of a client: what its session is kept by; NULL: it is not kept */
    char *rejected;              /* the subject of the certificate that was not good; NULL: none */
    int end;                     /* what reading has come to: TLS_ENDED, or an errno value; 0: it goes on */
    unsigned named : 1;          /* what a client's hello asks for is chosen */
    unsigned begun : 1;          /* the handshake is done */
    unsigned busy : 1;           /* OpenSSL runs, and may call a script */
    unsigned abandoned : 1;      /* which has closed the stream: it is freed after */
};

static inline struct tls_session *tls_session_of(const SSL *ssl) {
    return SSL_get_app_data(ssl);
}

static inline struct tls_context *tls_context_of(const SSL *ssl) {
    return tls_session_of(ssl)->context;
}

/* Set the callbacks of a new context. */
void tls_names_init(struct tls_context *context);
void tls_resumption_init(struct tls_context *context);

void tls_names_destroy(struct tls_context *context);
void tls_resumption_destroy(struct tls_context *context);

/* Of a server: only sessions of that context are resumed, which were made for the same name. NULL: for none. */
void tls_resumption_bind(SSL *ssl, const struct tls_context *context, const char *name);

/* Offers the server the session that was kept of it by that name, and keeps the one to come. */
void tls_resumption_begin(SSL *ssl, const char *peer, const char *name);

#endif
