/* What the tools share: time, limits, loopback sockets.
 * Addresses are IPv4 in host byte order. `bench_fail` and `bench_usage` print and exit: these are tools, not the
 * server. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_LOOPBACK 0x7f000001u

_Noreturn void bench_fail(const char *what);

_Noreturn void bench_usage(const char *line);

/* Seconds on the monotonic clock. */
double bench_now(void);

/* Lets this process open `count` files, raising the hard limit too where it may. False: errno says why. */
bool bench_raise_files(unsigned long count);

/* Reads stdin to its end. */
void bench_wait_for_end_of_input(void);

/* A decimal number from `low` to `high`; ends the program otherwise, naming the argument. */
long bench_number(const char *name, const char *text, long low, long high);

/* A blocking stream socket connected to loopback `port`, TCP_NODELAY set. -1: errno says why. */
int bench_connect(uint16_t port);

/* A non-blocking socket that listens at loopback `port`, or at one that the kernel chooses for 0; prints the port. */
int bench_listen(uint16_t port);

bool bench_set_nonblocking(int fd);

/* Closing resets the connection, so that neither side is left in TIME_WAIT. */
bool bench_set_abortive(int fd);

#endif
