/* Load for a WebSocket echo server: every connection keeps DEPTH texts of SIZE bytes in flight; all are compared.
 *
 *   load_websocket [-c CONNECTIONS] [-d DEPTH] [-s SIZE] [-t MILLISECONDS | -n MESSAGES] PATH PORT
 *
 * Prints one line: messages=N seconds=S errors=N. A text begins at another place in the alphabet than the one before,
 * so that one which is lost, repeated or broken shows. */
#include "bench.h"
#include "load.h"
#include "websocket.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE_MAX_TEXT = 1 << 20, PERIOD = 61 };

struct echo {
    struct websocket_frame frame;
    size_t compared; /* of the text that is coming back */
};

static const char USAGE[] = "load_websocket [-c N] [-d N] [-s SIZE] [-t MILLISECONDS | -n MESSAGES] PATH PORT";
static char table[SIZE_MAX_TEXT + PERIOD];
static size_t text_size = 64;
static const char *path;
static uint16_t port;

static const char *text_of(uint64_t number) {
    return table + number % PERIOD;
}

static bool echo_open(struct load_connection *connection) {
    return websocket_open(connection->fd, path, port);
}

static size_t echo_put(struct load_connection *connection, char *to) {
    uint32_t key = (uint32_t)connection->begun * 2654435761u + 0x5bd1e995u;
    return websocket_put(to, text_of(connection->begun), text_size, key);
}

/* Is what came of the text `number` right so far, and, when it is over, whole? */
static bool echo_compare(struct echo *echo, uint64_t number, const char *payload, size_t length) {
    if (echo->compared + length > text_size) return false;
    if (memcmp(payload, text_of(number) + echo->compared, length) != 0) return false;
    echo->compared += length;
    return echo->frame.open || echo->compared == text_size;
}

static long echo_take(struct load_connection *connection, const char *data, size_t size) {
    struct echo *echo = connection->state;
    long ended = 0;
    for (size_t at = 0; at < size;) {
        const char *payload;
        size_t length, taken = websocket_read(&echo->frame, data + at, size - at, &payload, &length);
        if (taken == 0) return -1;
        at += taken;
        if (echo->frame.held > 0 && !echo->frame.open) break; /* the head goes on */
        if (!echo_compare(echo, connection->finished + (uint64_t)ended, payload, length)) return -1;
        if (echo->frame.open) continue;
        echo->compared = 0;
        ended++;
    }
    return ended;
}

int main(int argc, char **argv) {
    struct load_options options = {.connections = 64, .depth = 1, .duration = 2000};
    int option;
    while ((option = getopt(argc, argv, "c:d:s:t:n:")) != -1) {
        if (option == 's') text_size = (size_t)bench_number("-s", optarg, 1, SIZE_MAX_TEXT);
        else if (!load_option(&options, option, optarg)) bench_usage(USAGE);
    }
    if (argc - optind != 2) bench_usage(USAGE);
    path = argv[optind];
    port = options.port = (uint16_t)bench_number("PORT", argv[optind + 1], 1, 65535);
    for (size_t i = 0; i < sizeof table; i++) table[i] = (char)('A' + i % PERIOD % 26 + (i % PERIOD / 26) * 6);
    size_t most = text_size + WEBSOCKET_HEAD_MAX;
    struct load_protocol echo = {"load_websocket", most, sizeof(struct echo), echo_open, echo_put, echo_take};
    return load_run(&options, &echo);
}
