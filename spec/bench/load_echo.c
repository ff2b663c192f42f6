/* Load for an echo server: every byte that returns is compared.
 *
 *   load_echo [-T] [-c CONNECTIONS] [-s SIZE] [-d DEPTH] [-t MILLISECONDS | -n MESSAGES] PORT
 *
 * The stream of a connection repeats a random table of prime length, begun elsewhere by each: a lost, repeated,
 * reordered or misdirected message shows. */
#include "bench.h"
#include "load.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PERIOD = 131071, SIZE_MAX_ECHO = 1 << 24 };

struct stream {
    uint64_t base, sent, received; /* bytes; `base` is where in the table it begins; 0: not chosen yet */
};

static size_t size = 64;
static char table[PERIOD];

static void fill_table(void) {
    uint64_t state = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < PERIOD; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        table[i] = (char)(state >> 32);
    }
}

/* How many bytes of the table follow each other from a place in the stream on. */
static size_t piece_at(const struct stream *stream, uint64_t position, size_t most, const char **bytes) {
    size_t at = (size_t)((stream->base + position) % PERIOD);
    *bytes = table + at;
    return most < PERIOD - at ? most : PERIOD - at;
}

static bool open_stream(struct load_connection *connection) {
    ((struct stream *)connection->state)->base = (uint64_t)connection->fd * 7919;
    return true;
}

static size_t put(struct load_connection *connection, char *to) {
    struct stream *stream = connection->state;
    for (size_t done = 0, count; done < size; done += count, stream->sent += count) {
        const char *bytes;
        count = piece_at(stream, stream->sent, size - done, &bytes);
        memcpy(to + done, bytes, count);
    }
    return size;
}

static long take(struct load_connection *connection, const char *data, size_t got) {
    struct stream *stream = connection->state;
    uint64_t before = stream->received / size;
    if (stream->received + got > stream->sent) return -1;
    for (size_t done = 0, count; done < got; done += count, stream->received += count) {
        const char *bytes;
        count = piece_at(stream, stream->received, got - done, &bytes);
        if (memcmp(data + done, bytes, count) != 0) return -1;
    }
    return (long)(stream->received / size - before);
}

int main(int argc, char **argv) {
    struct load_options options = {.connections = 64, .depth = 1, .duration = 2000};
    int option;
    while ((option = getopt(argc, argv, LOAD_OPTIONS "s:")) != -1) {
        if (option == 's') size = (size_t)bench_number("-s", optarg, 1, SIZE_MAX_ECHO);
        else if (!load_option(&options, option, optarg)) exit(2);
    }
    options.port = (uint16_t)bench_number("PORT", optind < argc ? argv[optind] : "", 1, 65535);
    fill_table();
    struct load_protocol protocol = {.name = "load_echo",
                                     .message_size = size,
                                     .state_size = sizeof(struct stream),
                                     .open = open_stream,
                                     .put = put,
                                     .take = take};
    return load_run(&options, &protocol);
}
