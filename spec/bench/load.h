/* A closed loop: every connection keeps `depth` messages in flight until the time is over or all are sent.
 * The protocol makes the messages and knows where an answer ends; the loop owns the connections and counts.
 * An error is a connection that ended early, got a wrong answer, or was owed one five seconds after the end. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_OPTIONS "c:d:t:n:T"

struct load_connection {
    int fd;
    struct ssl_st *session; /* NULL: without TLS */
    bool wants_write;
    uint64_t begun, finished; /* messages */
    char *out;                /* what is not sent yet */
    size_t out_start, out_end;
    void *state; /* the protocol's, zeroed */
};

struct load_protocol {
    const char *name;
    size_t message_size, state_size; /* a message has at most that many bytes */
    /* On the blocking socket, right after it has connected; may be NULL. */
    bool (*open)(struct load_connection *connection);
    /* Writes message number `begun`; returns its bytes. */
    size_t (*put)(struct load_connection *connection, char *to);
    /* Takes bytes of the answers; returns how many ended in them, or -1 when one is wrong. */
    long (*take)(struct load_connection *connection, const char *data, size_t size);
};

struct load_options {
    long connections, depth, duration, messages; /* duration in milliseconds; messages 0: as many as fit in it */
    uint16_t port;
    bool tls;
};

/* Takes LOAD_OPTIONS: -c -d -t -n, and -T for TLS; false for any other option. */
bool load_option(struct load_options *options, int option, const char *value);

/* Runs to the end and prints "messages=N seconds=S errors=N"; returns the program's status. */
int load_run(const struct load_options *options, const struct load_protocol *protocol);

#endif
