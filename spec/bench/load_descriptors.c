/* Takes descriptors from a server, or gives it some, over a Unix socket.
 *
 *   load_descriptors take|give [-t MILLISECONDS] PATH
 *
 * Prints one line: messages=N seconds=S. What is taken is closed. What is given is /dev/null; the server has to say
 * how many it got. What is wrong ends the program. */
#include "bench.h"
#include "descriptors.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONGEST = 3600000, BATCH = 64 };

static const char USAGE[] = "load_descriptors take|give [-t MILLISECONDS] PATH";

static void take(int server) {
    int fd;
    ssize_t got = descriptors_receive(server, &fd);
    if (got < 0) bench_fail("recvmsg");
    if (got == 0) {
        fprintf(stderr, "the server has closed the connection\n");
        exit(1);
    }
    close(fd);
}

static void give(int server) {
    static int null = -1;
    if (null < 0) null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (descriptors_send(server, null) != 1) bench_fail("sendmsg");
}

static void check_count(int server, unsigned long given) {
    char said[64] = "", line[64];
    size_t size = 0;
    shutdown(server, SHUT_WR);
    for (ssize_t got; (got = read(server, said + size, sizeof said - 1 - size)) > 0;) size += (size_t)got;
    snprintf(line, sizeof line, "%lu\n", given);
    if (strcmp(said, line) == 0) return;
    fprintf(stderr, "%lu given, the server says '%s'\n", given, said);
    exit(1);
}

int main(int argc, char **argv) {
    long duration = 2000;
    int option;
    while ((option = getopt(argc, argv, "t:")) != -1) {
        if (option != 't') bench_usage(USAGE);
        duration = bench_number("-t", optarg, 1, LONGEST);
    }
    if (argc - optind != 2) bench_usage(USAGE);
    bool takes = strcmp(argv[optind], "take") == 0;
    int server = descriptors_connect(argv[optind + 1]);
    if (server < 0) bench_fail(argv[optind + 1]);
    unsigned long messages = 0;
    double start = bench_now(), end = start + (double)duration * 1e-3;
    while (bench_now() < end)
        for (int i = 0; i < BATCH; i++, messages++) (takes ? take : give)(server);
    if (!takes) check_count(server, messages);
    printf("messages=%lu seconds=%.3f\n", messages, bench_now() - start);
    return 0;
}
