#include "io/resolver.h"

#include <ares.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

/* A server that is silent gets 2 and then 4 seconds: c-ares doubles the timeout at each try. */
enum { TRY_TIMEOUT = 2000 /* milliseconds */, TRIES = 2 };

/* A socket that c-ares has opened. */
struct channel_socket {
    ev_io io; /* first, so that its address is the socket's */
    struct channel_socket *next;
};

struct resolver {
    struct ev_loop *ev;
    ares_channel channel;
    ev_timer timeout;               /* when c-ares wants to look at its queries again */
    struct channel_socket *sockets; /* one or two at a time */
    struct lookup *lookups;
    size_t asking; /* lookups that c-ares has not answered and somebody waits for */
};

/* asking -> answered -> told, or asking -> abandoned until c-ares lets go of it: it cannot cancel one query. */
enum lookup_state { LOOKUP_ASKING, LOOKUP_ANSWERED, LOOKUP_ABANDONED };

struct lookup {
    ev_timer delivery; /* tells the outcome in a later pass, when c-ares is not on the stack */
    enum lookup_state state;
    struct resolver *resolver;
    struct lookup *next, **link; /* *link is this lookup */
    lookup_done *done;
    void *context;
    struct endpoint *endpoints;
    size_t count;
    const char *reason;
    int family;
    uint16_t port;
    char host[];
};

static const char *const reasons[] = {
    [ARES_ENODATA] = "name has no address of this kind",
    [ARES_ESERVFAIL] = "the name servers failed",
    [ARES_ENOTFOUND] = "name does not exist",
    [ARES_EBADNAME] = "not a valid host name",
    [ARES_ECONNREFUSED] = "no name server could be asked",
    [ARES_ETIMEOUT] = "no answer from the name servers",
};

static const char *reason_of(int status) {
    size_t index = (size_t)status;
    if (index < sizeof reasons / sizeof *reasons && reasons[index]) return reasons[index];
    return ares_strerror(status); /* static sentences, too */
}

/* The channel's timeout, after each call that may have changed its queries. */
static void resolver_schedule(struct resolver *resolver) {
    struct timeval room, *left = ares_timeout(resolver->channel, NULL, &room);
    ev_timer_stop(resolver->ev, &resolver->timeout);
    if (!left) return;
    ev_timer_set(&resolver->timeout, (double)left->tv_sec + (double)left->tv_usec / 1e6, 0.);
    ev_timer_start(resolver->ev, &resolver->timeout);
}

static void on_timeout(struct ev_loop *ev, ev_timer *timer, int events) {
    struct resolver *resolver = timer->data;
    (void)ev, (void)events;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    resolver_schedule(resolver);
}

/* The socket, and its watcher with it, may be gone after ares_process_fd. */
static void on_socket(struct ev_loop *ev, ev_io *io, int events) {
    struct resolver *resolver = io->data;
    int readable = (events & EV_READ) ? io->fd : ARES_SOCKET_BAD;
    int writable = (events & EV_WRITE) ? io->fd : ARES_SOCKET_BAD;
    (void)ev;
    ares_process_fd(resolver->channel, readable, writable);
    resolver_schedule(resolver);
}

/* Out of memory, the socket is not watched and its queries time out. */
static void socket_watch(struct resolver *resolver, struct channel_socket **link, int fd, int events) {
    struct channel_socket *watched = *link;
    if (!watched) {
        watched = calloc(1, sizeof *watched);
        if (!watched) return;
        ev_init(&watched->io, on_socket);
        watched->io.data = resolver;
        *link = watched;
    }
    ev_io_stop(resolver->ev, &watched->io);
    ev_io_set(&watched->io, fd, events);
    ev_io_start(resolver->ev, &watched->io);
}

static void socket_forget(struct resolver *resolver, struct channel_socket **link) {
    struct channel_socket *watched = *link;
    if (!watched) return;
    *link = watched->next;
    ev_io_stop(resolver->ev, &watched->io);
    free(watched);
}

/* ARES_OPT_SOCK_STATE_CB of ares_init_options(3): a socket that closes is neither readable nor writable. */
static void on_socket_state(void *context, ares_socket_t fd, int readable, int writable) {
    struct resolver *resolver = context;
    struct channel_socket **link = &resolver->sockets;
    int events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
    while (*link && (*link)->io.fd != fd) link = &(*link)->next;
    if (events) socket_watch(resolver, link, fd, events);
    else socket_forget(resolver, link);
}

static void lookup_free(struct lookup *lookup) {
    *lookup->link = lookup->next;
    if (lookup->next) lookup->next->link = lookup->link;
    ev_timer_stop(lookup->resolver->ev, &lookup->delivery);
    free(lookup->endpoints);
    free(lookup);
}

/* The callee may free the resolver, so nothing of it is touched afterwards. */
static void on_delivery(struct ev_loop *ev, ev_timer *timer, int events) {
    struct lookup *lookup = timer->data;
    struct endpoint *endpoints = lookup->endpoints;
    struct lookup told = *lookup;
    (void)ev, (void)events;
    lookup->endpoints = NULL;
    lookup_free(lookup);
    told.done(told.context, endpoints, told.count, told.reason);
    free(endpoints);
}

static size_t count_nodes(const struct ares_addrinfo *result) {
    size_t count = 0;
    for (struct ares_addrinfo_node *node = result->nodes; node; node = node->ai_next) count++;
    return count;
}

static void endpoint_fill(struct endpoint *endpoint, const struct ares_addrinfo_node *node, uint16_t port) {
    memcpy(&endpoint->as, node->ai_addr, node->ai_addrlen);
    endpoint->length = node->ai_addrlen;
    if (node->ai_family == AF_INET) endpoint->as.v4.sin_port = htons(port);
    else endpoint->as.v6.sin6_port = htons(port);
}

/* Returns what is wrong, or NULL. */
static const char *lookup_copy(struct lookup *lookup, const struct ares_addrinfo *result) {
    size_t count = count_nodes(result);
    if (!count) return reason_of(ARES_ENODATA);
    lookup->endpoints = calloc(count, sizeof *lookup->endpoints);
    if (!lookup->endpoints) return reason_of(ARES_ENOMEM);
    for (struct ares_addrinfo_node *node = result->nodes; node; node = node->ai_next)
        endpoint_fill(&lookup->endpoints[lookup->count++], node, lookup->port);
    return NULL;
}

static void lookup_answer(struct lookup *lookup, const char *reason) {
    lookup->reason = reason;
    lookup->state = LOOKUP_ANSWERED;
    lookup->resolver->asking--;
    ev_timer_start(lookup->resolver->ev, &lookup->delivery);
}

/* Called once for each ares_getaddrinfo, perhaps before that returns. resolver_free sweeps up after
 * ARES_EDESTRUCTION, and resolver_set_servers asks again after ARES_ECANCELLED. */
static void on_answer(void *context, int status, int timeouts, struct ares_addrinfo *result) {
    struct lookup *lookup = context;
    (void)timeouts;
    if (lookup->state == LOOKUP_ABANDONED) lookup_free(lookup);
    else if (status == ARES_SUCCESS) lookup_answer(lookup, lookup_copy(lookup, result));
    else if (status != ARES_EDESTRUCTION && status != ARES_ECANCELLED) lookup_answer(lookup, reason_of(status));
    if (result) ares_freeaddrinfo(result);
}

/* A literal with % comes here when endpoint_from_address did not find the interface. */
static void lookup_ask(struct lookup *lookup) {
    struct ares_addrinfo_hints hints = {.ai_family = lookup->family, .ai_socktype = SOCK_STREAM};
    if (strchr(lookup->host, '%')) lookup_answer(lookup, "network interface does not exist");
    else ares_getaddrinfo(lookup->resolver->channel, lookup->host, NULL, &hints, on_answer, lookup);
}

static void lookup_link(struct lookup *lookup, struct lookup **link) {
    lookup->link = link;
    lookup->next = *link;
    if (lookup->next) lookup->next->link = &lookup->next;
    *link = lookup;
}

struct lookup *resolver_lookup(struct resolver *resolver, const char *host, uint16_t port, int family,
                               lookup_done *done, void *context) {
    size_t size = strlen(host) + 1;
    struct lookup *lookup = calloc(1, sizeof *lookup + size);
    if (!lookup) return NULL;
    memcpy(lookup->host, host, size);
    lookup->resolver = resolver;
    lookup->port = port;
    lookup->family = family;
    lookup->done = done;
    lookup->context = context;
    ev_timer_init(&lookup->delivery, on_delivery, 0., 0.);
    lookup->delivery.data = lookup;
    lookup_link(lookup, &resolver->lookups);
    resolver->asking++;
    lookup_ask(lookup);
    resolver_schedule(resolver);
    return lookup;
}

/* When nobody waits any more, c-ares need not keep its sockets and the loop up. */
void lookup_cancel(struct lookup *lookup) {
    struct resolver *resolver = lookup->resolver;
    if (lookup->state == LOOKUP_ANSWERED) {
        lookup_free(lookup);
        return;
    }
    lookup->state = LOOKUP_ABANDONED;
    if (--resolver->asking) return;
    ares_cancel(resolver->channel);
    resolver_schedule(resolver);
}

/* "fb": the hosts file before DNS, whatever nsswitch.conf(5) says. */
static int channel_open(struct resolver *resolver) {
    struct ares_options options = {.timeout = TRY_TIMEOUT, .tries = TRIES, .lookups = (char[]){"fb"}};
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = resolver;
    int given = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    return ares_init_options(&resolver->channel, &options, given) == ARES_SUCCESS ? 0 : -1;
}

struct resolver *resolver_new(struct ev_loop *ev) {
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver) return NULL;
    resolver->ev = ev;
    ev_init(&resolver->timeout, on_timeout);
    resolver->timeout.data = resolver;
    if (!channel_open(resolver)) return resolver;
    free(resolver);
    return NULL;
}

/* ares_destroy answers what is under way, with success where one of two queries has been. All is swept up. */
void resolver_free(struct resolver *resolver) {
    ares_destroy(resolver->channel);
    while (resolver->lookups) lookup_free(resolver->lookups);
    ev_timer_stop(resolver->ev, &resolver->timeout);
    free(resolver);
}

/* "127.0.0.1:5353" or "[::1]:53". c-ares lets IPv4 alone go without a port; behind brackets it wants one. */
static int is_server(const char *text, size_t length) {
    char url[ADDRESS_TEXT_MAX];
    struct address address;
    struct endpoint ignored;
    const char *reason;
    int used = snprintf(url, sizeof url, "udp://%.*s:53", (int)length, text);
    if (used < 0 || (size_t)used >= sizeof url) return 0;
    int with_port = !address_parse(&address, url, (size_t)used - 3, &reason);
    if (!with_port && (text[0] == '[' || address_parse(&address, url, (size_t)used, &reason))) return 0;
    return !endpoint_from_address(&ignored, &address);
}

/* c-ares has a parser of its own, but that takes any number as a port. */
static int is_server_list(const char *text) {
    for (;;) {
        size_t length = strcspn(text, ",");
        if (!is_server(text, length)) return 0;
        if (!text[length]) return 1;
        text += length + 1;
    }
}

/* c-ares takes no new servers while it asks, ares_set_servers_csv(3): all stop, and are asked again. */
int resolver_set_servers(struct resolver *resolver, const char *servers) {
    if (!is_server_list(servers)) return -1;
    ares_cancel(resolver->channel);
    int status = ares_set_servers_ports_csv(resolver->channel, servers);
    for (struct lookup *lookup = resolver->lookups; lookup; lookup = lookup->next)
        if (lookup->state == LOOKUP_ASKING) lookup_ask(lookup);
    resolver_schedule(resolver);
    return status == ARES_SUCCESS ? 0 : -1;
}
