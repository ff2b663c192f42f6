/* Load for a protocol of questions and answers: one question over and over, to which there is one answer, of which every
 * byte is compared.
 *
 *   load_exchange [-T] [-c CONNECTIONS] [-d DEPTH] [-t MILLISECONDS | -n MESSAGES] -q QUESTION -a ANSWER PORT
 *
 * QUESTION and ANSWER are bytes, of which \r, \n, \\ and \xHH stand for what they do in C. */
#include "bench.h"
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 65536 };

struct text {
    char bytes[TEXT_MAX];
    size_t length;
};

static struct text question, answer;

static char escaped(const char **at) {
    char c = *(*at)++;
    if (c == 'r') return '\r';
    if (c == 'n') return '\n';
    if (c != 'x') return c;
    char digits[3] = {(*at)[0], (*at)[0] ? (*at)[1] : 0, 0};
    *at += strlen(digits);
    return (char)strtoul(digits, NULL, 16);
}

static void read_text(struct text *text, const char *from) {
    while (*from) {
        if (text->length == TEXT_MAX) exit(2);
        char c = *from++;
        text->bytes[text->length++] = c == '\\' && *from ? escaped(&from) : c;
    }
}

static size_t put(struct load_connection *connection, char *to) {
    (void)connection;
    memcpy(to, question.bytes, question.length);
    return question.length;
}

/* The state is how many bytes of an answer have come. */
static long take(struct load_connection *connection, const char *data, size_t size) {
    size_t *at = connection->state;
    long ended = 0;
    while (size) {
        size_t count = size < answer.length - *at ? size : answer.length - *at;
        if (memcmp(data, answer.bytes + *at, count) != 0) return -1;
        data += count, size -= count;
        *at = (*at + count) % answer.length;
        ended += !*at;
    }
    return ended;
}

int main(int argc, char **argv) {
    struct load_options options = {.connections = 64, .depth = 1, .duration = 2000};
    int option;
    while ((option = getopt(argc, argv, LOAD_OPTIONS "q:a:")) != -1) {
        if (option == 'q') read_text(&question, optarg);
        else if (option == 'a') read_text(&answer, optarg);
        else if (!load_option(&options, option, optarg)) exit(2);
    }
    if (!question.length || !answer.length) {
        fprintf(stderr, "load_exchange: -q and -a are needed\n");
        exit(2);
    }
    options.port = (uint16_t)bench_number("PORT", optind < argc ? argv[optind] : "", 1, 65535);
    struct load_protocol protocol = {.name = "load_exchange",
                                     .message_size = question.length,
                                     .state_size = sizeof(size_t),
                                     .put = put,
                                     .take = take};
    return load_run(&options, &protocol);
}
