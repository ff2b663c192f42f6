/* Receives arrays of doubles 0.0, 1.0, 2.0 ..., one after the other, each by a connection of its own.
 *
 *   load_array [-t MILLISECONDS] COUNT PORT
 *
 * Prints one line: messages=N seconds=S, where a message is a whole array. A number is compared in each piece that is
 * received, and how many bytes there were; what is wrong ends the program. */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 1 << 20, LONGEST = 3600000 };

static const char USAGE[] = "load_array [-t MILLISECONDS] COUNT PORT";
static char piece[PIECE];

/* The first whole number of the piece, which begins `at` bytes into the array. */
static void piece_check(size_t at, size_t got) {
    double number;
    size_t skip = (sizeof number - at % sizeof number) % sizeof number, index = (at + skip) / sizeof number;
    if (got < skip + sizeof number) return;
    memcpy(&number, piece + skip, sizeof number);
    if (number == (double)index) return;
    fprintf(stderr, "number %zu is %.1f\n", index, number);
    exit(1);
}

static void array_receive(uint16_t port, size_t size) {
    int fd = bench_connect(port);
    if (fd < 0) bench_fail("connect");
    size_t at = 0;
    for (;;) {
        ssize_t got = recv(fd, piece, PIECE, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) bench_fail("recv");
        if (got == 0) break;
        piece_check(at, (size_t)got);
        at += (size_t)got;
    }
    close(fd);
    if (at == size) return;
    fprintf(stderr, "%zu bytes received, %zu expected\n", at, size);
    exit(1);
}

int main(int argc, char **argv) {
    long duration = 2000, messages = 0;
    int option;
    while ((option = getopt(argc, argv, "t:")) != -1) {
        if (option != 't') bench_usage(USAGE);
        duration = bench_number("-t", optarg, 1, LONGEST);
    }
    if (argc - optind != 2) bench_usage(USAGE);
    size_t size = (size_t)bench_number("COUNT", argv[optind], 1, 1L << 32) * sizeof(double);
    uint16_t port = (uint16_t)bench_number("PORT", argv[optind + 1], 1, 65535);
    double start = bench_now();
    for (; messages == 0 || bench_now() - start < (double)duration * 1e-3; messages++) array_receive(port, size);
    printf("messages=%ld seconds=%.3f\n", messages, bench_now() - start);
    return 0;
}
