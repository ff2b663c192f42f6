/* How long a server takes from its start until it has served a byte.
 *
 *   first_byte PORT CPU RUNS COMMAND...
 *
 * Starts COMMAND on that CPU, tries to connect until it listens, sends a byte, waits for it to come back,
 * ends the server; RUNS times. Prints one line for each: milliseconds=N, counted from before the fork. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const double TIMEOUT = 10.0;
static const struct timespec STEP = {.tv_nsec = 50000};

static _Noreturn void run_command(char **command, int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDOUT_FILENO) < 0) bench_fail("/dev/null");
    execvp(command[0], command);
    bench_fail(command[0]);
}

static bool serves_a_byte(int fd) {
    struct timeval limit = {.tv_sec = (time_t)TIMEOUT};
    char byte = 'x';
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 || !bench_set_abortive(fd)) return false;
    return write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1 && byte == 'x';
}

static bool wait_for_byte(uint16_t port, pid_t server, double start) {
    while (bench_now() - start < TIMEOUT && waitpid(server, NULL, WNOHANG) == 0) {
        int fd = bench_connect(port);
        if (fd >= 0) {
            bool served = serves_a_byte(fd);
            close(fd);
            return served;
        }
        nanosleep(&STEP, NULL);
    }
    return false;
}

static void end_server(pid_t server) {
    kill(-server, SIGTERM);
    for (int step = 0; step < 2000; step++) {
        if (waitpid(server, NULL, WNOHANG) != 0) return;
        usleep(1000);
    }
    kill(-server, SIGKILL);
    waitpid(server, NULL, 0);
}

/* Milliseconds, or a negative number. */
static double measure(uint16_t port, int cpu, char **command) {
    double start = bench_now();
    pid_t server = fork();
    if (server < 0) bench_fail("fork");
    if (server == 0) run_command(command, cpu);
    bool served = wait_for_byte(port, server, start);
    double took = (bench_now() - start) * 1e3;
    end_server(server);
    return served ? took : -1;
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: first_byte PORT CPU RUNS COMMAND...\n");
        return 2;
    }
    uint16_t port = (uint16_t)bench_number("PORT", argv[1], 1, 65535);
    int cpu = (int)bench_number("CPU", argv[2], 0, CPU_SETSIZE - 1);
    long runs = bench_number("RUNS", argv[3], 1, 10000);
    signal(SIGPIPE, SIG_IGN);
    for (long run = 0; run < runs; run++) {
        double took = measure(port, cpu, argv + 4);
        if (took < 0) {
            fprintf(stderr, "first_byte: %s served nothing\n", argv[4]);
            return 1;
        }
        printf("milliseconds=%.3f\n", took);
    }
    return 0;
}
