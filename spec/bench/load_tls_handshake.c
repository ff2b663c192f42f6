/* New TLS 1.3 sessions over HTTP: connect, handshake, one small request, the answer to its end, close; again.
 *
 *   load_tls_handshake [-r] [-c CONNECTIONS] [-t MILLISECONDS] PATH PORT
 *
 * With -r each session resumes the one before of the same place, by the newest ticket that it had. Prints one line:
 * messages=N seconds=S resumed=N. Whatever is not as it should be ends the program: another status than 200, an end
 * without close_notify, a session that was not resumed, or was without -r. */
#include "bench.h"
#include "response.h"
#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 64, MAX_CONNECTIONS = 1024, LONGEST = 3600000, PATIENCE = 5000 };

/* One of the connections that are under way at a time. */
struct place {
    int fd;
    SSL *session;
    SSL_SESSION *ticket; /* to resume the next by; NULL: none yet */
    bool asked;          /* the handshake is done, the request written */
    struct response response;
};

struct load {
    int epoll;
    SSL_CTX *context;
    bool resumes;
    uint16_t port;
    unsigned long finished, resumed;
    size_t request_size;
    char request[1024];
};

static const char USAGE[] = "load_tls_handshake [-r] [-c CONNECTIONS] [-t MILLISECONDS] PATH PORT";
static struct load load;

_Noreturn static void load_fail(const char *what) {
    fprintf(stderr, "session %lu: %s\n", load.finished + 1, what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static int on_ticket(SSL *session, SSL_SESSION *ticket) {
    struct place *place = SSL_get_app_data(session);
    SSL_SESSION_free(place->ticket);
    place->ticket = ticket;
    return 1;
}

static void place_check(struct place *place) {
    bool resumed = SSL_session_reused(place->session);
    const char *complaint = tls_complaint(place->session);
    if (complaint) load_fail(complaint);
    if (resumed != (place->ticket != NULL)) load_fail(resumed ? "resumed" : "not resumed");
    load.resumed += resumed;
}

/* False: it has to wait for the server. */
static bool place_ask(struct place *place) {
    ERR_clear_error();
    int result = SSL_do_handshake(place->session);
    if (result != 1 && SSL_get_error(place->session, result) == SSL_ERROR_WANT_READ) return false;
    if (result != 1) load_fail("the handshake failed");
    place_check(place);
    if (tls_write(place->session, load.request, load.request_size) != (ssize_t)load.request_size)
        load_fail("the request cannot be sent");
    return place->asked = true;
}

static void place_open(struct place *place) {
    place->fd = bench_connect(load.port);
    if (place->fd < 0) bench_fail("connect");
    if (!bench_set_nonblocking(place->fd) || !bench_set_abortive(place->fd)) bench_fail("socket options");
    place->session = tls_client_new(load.context, place->fd);
    SSL_set_app_data(place->session, place);
    if (place->ticket && SSL_set_session(place->session, place->ticket) != 1) load_fail("the ticket cannot be used");
    place->asked = false;
    memset(&place->response, 0, sizeof place->response);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = place};
    if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, place->fd, &event) < 0) bench_fail("epoll_ctl");
    place_ask(place);
}

/* Our close_notify goes before the reset, which leaves neither side in TIME_WAIT. */
static void place_close(struct place *place) {
    SSL_shutdown(place->session);
    SSL_free(place->session);
    close(place->fd);
}

/* True at the end, when the whole answer has come. */
static bool place_receive(struct place *place) {
    char bytes[SSL3_RT_MAX_PLAIN_LENGTH * 2];
    ssize_t got;
    while ((got = tls_read(place->session, bytes, sizeof bytes)) > 0) {
        size_t taken = response_read(&place->response, bytes, (size_t)got);
        if (place->response.state == RESPONSE_BAD || taken < (size_t)got) load_fail("a wrong answer");
    }
    if (got < 0 && errno == EAGAIN) return false;
    if (got < 0) load_fail("the answer is cut off");
    if (place->response.state != RESPONSE_DONE || place->response.status != 200) load_fail("another answer than 200");
    return true;
}

static void place_serve(struct place *place, bool sending) {
    if (!place->asked && !place_ask(place)) return;
    if (!place_receive(place)) return;
    load.finished++;
    place_close(place);
    place->session = NULL;
    if (load.resumes && !place->ticket) load_fail("the server gave no ticket");
    if (sending) place_open(place);
}

/* Returns how many places are still open. */
static long load_poll(long open, bool sending) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(load.epoll, events, EVENTS, PATIENCE);
    if (count < 0 && errno != EINTR) bench_fail("epoll_wait");
    if (count == 0) load_fail("the server is silent");
    for (int i = 0; i < count; i++) {
        struct place *place = events[i].data.ptr;
        place_serve(place, sending);
        open -= place->session == NULL;
    }
    return open;
}

static void load_init(const char *path, const char *port) {
    load.port = (uint16_t)bench_number("PORT", port, 1, 65535);
    int size = snprintf(load.request, sizeof load.request,
                        "GET %s HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n\r\n", path, load.port);
    if (path[0] != '/' || size >= (int)sizeof load.request) bench_usage(USAGE);
    load.request_size = (size_t)size;
    load.context = tls_client_context();
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load.epoll < 0) bench_fail("epoll_create1");
    if (!load.resumes) return;
    SSL_CTX_set_session_cache_mode(load.context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(load.context, on_ticket);
}

int main(int argc, char **argv) {
    long count = 16, duration = 2000;
    int option;
    signal(SIGPIPE, SIG_IGN);
    while ((option = getopt(argc, argv, "rc:t:")) != -1) {
        if (option == 'r') load.resumes = true;
        else if (option == 'c') count = bench_number("-c", optarg, 1, MAX_CONNECTIONS);
        else if (option == 't') duration = bench_number("-t", optarg, 1, LONGEST);
        else bench_usage(USAGE);
    }
    if (argc - optind != 2) bench_usage(USAGE);
    load_init(argv[optind], argv[optind + 1]);
    static struct place places[MAX_CONNECTIONS];
    double start = bench_now(), end = start + (double)duration * 1e-3;
    for (long i = 0; i < count; i++) place_open(&places[i]);
    for (long open = count; open > 0;) open = load_poll(open, bench_now() < end);
    printf("messages=%lu seconds=%.3f resumed=%lu\n", load.finished, bench_now() - start, load.resumed);
    return 0;
}
