/* Load for a fan-out: MEMBERS clients that only listen, by WebSocket or server-sent events, and one that publishes.
 *
 *   load_fanout [-c MEMBERS] [-d WINDOW] [-s SIZE] [-t MILLISECONDS] websocket|events|resp PATH PORT
 *
 * Prints "held=N errors=N" once all are members, waits until its stdin closes, then has POST /publish send texts of
 * SIZE bytes, at most WINDOW under way: one is over when every member has it. By RESP, the protocol of Redis, PATH is
 * the topic, and PUBLISH sends. Prints "messages=DELIVERIES seconds=S
 * errors=N". An error is a member that was closed, got another text than the next, or lacks one five seconds later. */
#include "bench.h"
#include "response.h"
#include "websocket.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    BUFFER = 262144,
    EVENTS = 256,
    RING = 1024,
    TEXT_MIN = 16,
    TEXT_MAX = 4096,
    HEAD_MAX = 256,
    SETTLE_MICROSECONDS = 200000
};
static const char USAGE[] =
    "load_fanout [-c N] [-d WINDOW] [-s SIZE] [-t MILLISECONDS] websocket|events|resp PATH PORT";
static const char GET[] = "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n";
static const char POST[] = "POST /publish HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %ld\r\n\r\n";
static const char SUBSCRIBE[] = "*2\r\n$9\r\nSUBSCRIBE\r\n$%zu\r\n%s\r\n";
static const char PUBLISH[] = "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%ld\r\n";
static const char MESSAGE[] = "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%ld\r\n";
static const char END_OF_TEXT = '~'; /* nowhere else in what a server sends */
static const double GRACE = 5.0;

struct member {
    int fd;
    uint64_t count; /* texts that it got */
    struct websocket_frame frame;
    size_t compared;
};

enum kind { BY_WEBSOCKET, BY_EVENTS, BY_RESP };

struct fanout {
    long members, window, size, duration;
    enum kind kind;
    bool sending;
    const char *path;
    uint16_t port;
    int epoll;
    uint64_t published, completed, deliveries, answered, errors;
    struct member *all;
    struct member publisher; /* only its fd */
    struct response answer;
    char answer_text[32]; /* of RESP: all are the same */
    size_t answer_size, answer_compared;
    uint32_t arrived[RING]; /* by how many members, of each text under way */
    char buffer[BUFFER];
};

static void text_make(const struct fanout *fanout, uint64_t number, char *to) {
    memset(to, 'x', (size_t)fanout->size);
    char digits[TEXT_MIN];
    int length = snprintf(digits, sizeof digits, "%lu ", (unsigned long)(number % 1000000000000));
    memcpy(to, digits, (size_t)length);
    to[fanout->size - 1] = END_OF_TEXT;
}

/* Joining. */

static bool events_open(const struct fanout *fanout, int fd) {
    char request[1024], byte;
    struct response response = {0};
    int size = snprintf(request, sizeof request, GET, fanout->path, fanout->port);
    if (size >= (int)sizeof request || write(fd, request, (size_t)size) != size) return false;
    while (response.state == RESPONSE_HEAD && read(fd, &byte, 1) == 1) response_read_head(&response, &byte, 1);
    errno = EPROTO;
    return response.state == RESPONSE_DONE && response.status == 200;
}

/* The answer says the subscription again, and that it is the first. */
static bool resp_open(const struct fanout *fanout, int fd) {
    char request[1024], answer[1024];
    int size = snprintf(request, sizeof request, SUBSCRIBE, strlen(fanout->path), fanout->path);
    if (size >= (int)sizeof request || write(fd, request, (size_t)size) != size) return false;
    for (int got = 0; got < size + 4; got++) /* *3, and ":1" and its end */
        if (read(fd, answer + got, 1) != 1) return false;
    return true;
}

static bool member_open(const struct fanout *fanout, int fd) {
    if (fanout->kind == BY_WEBSOCKET) return websocket_open(fd, fanout->path, fanout->port);
    return fanout->kind == BY_EVENTS ? events_open(fanout, fd) : resp_open(fanout, fd);
}

static void client_watch(struct fanout *fanout, struct member *client) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (!bench_set_nonblocking(client->fd)) bench_fail("fcntl");
    if (epoll_ctl(fanout->epoll, EPOLL_CTL_ADD, client->fd, &event) < 0) bench_fail("epoll_ctl");
}

static void fanout_join(struct fanout *fanout) {
    for (long i = 0; i < fanout->members; i++) {
        int fd = fanout->all[i].fd = bench_connect(fanout->port);
        if (fd < 0) bench_fail("connect");
        if (!member_open(fanout, fd)) bench_fail("join");
        client_watch(fanout, &fanout->all[i]);
    }
    fanout->publisher.fd = bench_connect(fanout->port);
    if (fanout->publisher.fd < 0) bench_fail("connect");
    client_watch(fanout, &fanout->publisher);
}

/* Publishing. */

static size_t publication_make(struct fanout *fanout, char *out) {
    int head = fanout->kind == BY_RESP ? sprintf(out, PUBLISH, strlen(fanout->path), fanout->path, fanout->size)
                                       : sprintf(out, POST, fanout->port, fanout->size);
    size_t size = (size_t)head;
    text_make(fanout, fanout->published++, out + size);
    size += (size_t)fanout->size;
    if (fanout->kind == BY_RESP) out[size++] = '\r', out[size++] = '\n';
    return size;
}

static bool fanout_publish(struct fanout *fanout) {
    static char out[BUFFER];
    size_t size = 0;
    while (fanout->sending && fanout->published - fanout->completed < (uint64_t)fanout->window) {
        if (size + HEAD_MAX + TEXT_MAX > sizeof out) break; /* the rest once a text is over */
        size += publication_make(fanout, out + size);
    }
    return size == 0 || write(fanout->publisher.fd, out, size) == (ssize_t)size;
}

/* How many members each went to. */
static bool take_counts(struct fanout *fanout, size_t size) {
    for (size_t at = 0; at < size; at++) {
        if (fanout->buffer[at] != fanout->answer_text[fanout->answer_compared]) return false;
        if (++fanout->answer_compared < fanout->answer_size) continue;
        fanout->answer_compared = 0;
        fanout->answered++;
    }
    return true;
}

static bool take_answers(struct fanout *fanout, size_t size) {
    for (size_t at = 0; at < size;) {
        at += response_read(&fanout->answer, fanout->buffer + at, size - at);
        if (fanout->answer.state == RESPONSE_BAD) return false;
        if (fanout->answer.state != RESPONSE_DONE) continue;
        if (fanout->answer.status / 100 != 2) return false;
        fanout->answered++;
        response_reset(&fanout->answer);
    }
    return true;
}

/* Listening. */

static void member_count(struct fanout *fanout, struct member *member) {
    uint32_t *arrived = &fanout->arrived[member->count++ % RING];
    fanout->deliveries++;
    if (++*arrived < (uint32_t)fanout->members) return;
    *arrived = 0;
    fanout->completed++;
}

static bool member_compare(struct fanout *fanout, struct member *member, const char *payload, size_t length) {
    char text[TEXT_MAX];
    if (member->compared + length > (size_t)fanout->size || member->count >= fanout->published) return false;
    text_make(fanout, member->count, text);
    if (memcmp(payload, text + member->compared, length) != 0) return false;
    member->compared = member->frame.open ? member->compared + length : 0;
    if (!member->frame.open) member_count(fanout, member);
    return true;
}

static bool take_frames(struct fanout *fanout, struct member *member, size_t size) {
    for (size_t at = 0; at < size;) {
        const char *payload;
        size_t length, taken = websocket_read(&member->frame, fanout->buffer + at, size - at, &payload, &length);
        if (taken == 0) return false;
        at += taken;
        bool in_head = member->frame.held > 0 && !member->frame.open;
        if (!in_head && !member_compare(fanout, member, payload, length)) return false;
    }
    return true;
}

static bool take_events(struct fanout *fanout, struct member *member, size_t size) {
    const char *at = fanout->buffer, *end = at + size;
    while ((at = memchr(at, END_OF_TEXT, (size_t)(end - at)))) {
        if (member->count >= fanout->published) return false;
        member_count(fanout, member);
        at++;
    }
    return true;
}

/* The whole message as it has to come; returns its bytes. */
static size_t message_make(const struct fanout *fanout, uint64_t number, char *to) {
    size_t head = (size_t)sprintf(to, MESSAGE, strlen(fanout->path), fanout->path, fanout->size);
    text_make(fanout, number, to + head);
    memcpy(to + head + fanout->size, "\r\n", 2);
    return head + (size_t)fanout->size + 2;
}

static bool take_messages(struct fanout *fanout, struct member *member, size_t size) {
    char expected[HEAD_MAX + TEXT_MAX];
    for (size_t at = 0; at < size;) {
        if (member->count >= fanout->published) return false;
        size_t whole = message_make(fanout, member->count, expected), left = whole - member->compared;
        size_t here = size - at < left ? size - at : left;
        if (memcmp(fanout->buffer + at, expected + member->compared, here) != 0) return false;
        at += here;
        member->compared = here < left ? member->compared + here : 0;
        if (!member->compared) member_count(fanout, member);
    }
    return true;
}

static bool client_receive(struct fanout *fanout, struct member *client) {
    ssize_t got = read(client->fd, fanout->buffer, BUFFER);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    size_t size = (size_t)got;
    if (client == &fanout->publisher)
        return fanout->kind == BY_RESP ? take_counts(fanout, size) : take_answers(fanout, size);
    if (fanout->kind == BY_RESP) return take_messages(fanout, client, size);
    return fanout->kind == BY_WEBSOCKET ? take_frames(fanout, client, size) : take_events(fanout, client, size);
}

static void client_serve(struct fanout *fanout, struct member *client) {
    uint64_t completed = fanout->completed;
    bool well = client_receive(fanout, client);
    if (well && fanout->completed > completed) well = fanout_publish(fanout);
    if (well) return;
    fanout->errors++;
    fanout->sending = false;
    close(client->fd);
}

/* Running. */

static void fanout_poll(struct fanout *fanout) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(fanout->epoll, events, EVENTS, 100);
    if (count < 0 && errno != EINTR) bench_fail("epoll_wait");
    for (int i = 0; i < count; i++) client_serve(fanout, events[i].data.ptr);
}

static bool fanout_is_over(const struct fanout *fanout) {
    return fanout->completed == fanout->published && fanout->answered == fanout->published;
}

static double fanout_run(struct fanout *fanout) {
    double start = bench_now(), end = start + (double)fanout->duration * 1e-3, now = start;
    fanout->sending = true;
    if (!fanout_publish(fanout)) bench_fail("publish");
    while (fanout->errors == 0 && (fanout->sending || !fanout_is_over(fanout)) && now < end + GRACE) {
        fanout_poll(fanout);
        now = bench_now();
        if (now >= end) fanout->sending = false;
    }
    if (!fanout_is_over(fanout) && fanout->errors == 0) fanout->errors = 1;
    return now - start;
}

static enum kind kind_of(const char *name) {
    static const char *const names[] = {"websocket", "events", "resp"};
    for (int kind = BY_WEBSOCKET; kind <= BY_RESP; kind++)
        if (strcmp(name, names[kind]) == 0) return (enum kind)kind;
    bench_usage(USAGE);
}

static void fanout_options(struct fanout *fanout, int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, "c:d:s:t:")) != -1) {
        if (option == 'c') fanout->members = bench_number("-c", optarg, 1, 20000);
        else if (option == 'd') fanout->window = bench_number("-d", optarg, 1, RING / 2);
        else if (option == 's') fanout->size = bench_number("-s", optarg, TEXT_MIN, TEXT_MAX);
        else if (option == 't') fanout->duration = bench_number("-t", optarg, 1, 3600000);
        else bench_usage(USAGE);
    }
    if (argc - optind != 3) bench_usage(USAGE);
    fanout->kind = kind_of(argv[optind]);
    fanout->path = argv[optind + 1];
    if (strlen(fanout->path) > HEAD_MAX / 2) bench_usage(USAGE);
    fanout->answer_size = (size_t)sprintf(fanout->answer_text, ":%ld\r\n", fanout->members);
    fanout->port = (uint16_t)bench_number("PORT", argv[optind + 2], 1, 65535);
}

int main(int argc, char **argv) {
    static struct fanout fanout = {.members = 1000, .window = 1, .size = 64, .duration = 2000};
    signal(SIGPIPE, SIG_IGN);
    fanout_options(&fanout, argc, argv);
    if (!bench_raise_files((unsigned long)fanout.members + 64)) bench_fail("setrlimit");
    fanout.epoll = epoll_create1(EPOLL_CLOEXEC);
    fanout.all = calloc((size_t)fanout.members, sizeof *fanout.all);
    if (fanout.epoll < 0 || !fanout.all) bench_fail("load_fanout");
    fanout_join(&fanout);
    usleep(SETTLE_MICROSECONDS); /* a server may make one a member only after it has answered */
    printf("held=%ld errors=0\n", fanout.members);
    fflush(stdout);
    bench_wait_for_end_of_input();
    double seconds = fanout_run(&fanout);
    printf("messages=%lu seconds=%.3f errors=%lu\n", (unsigned long)fanout.deliveries, seconds,
           (unsigned long)fanout.errors);
    return fanout.errors ? 1 : 0;
}
