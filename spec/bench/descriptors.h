/* One descriptor in a message of one byte, as Python's multiprocessing.reduction passes them; and Unix sockets. */
#ifndef BENCH_DESCRIPTORS_H
#define BENCH_DESCRIPTORS_H

#include <sys/types.h>

/* As sendmsg(2). */
ssize_t descriptors_send(int socket, int fd);

/* As recvmsg(2); *fd is the caller's, or -1. A message that cannot hold one descriptor alone ends the program. */
ssize_t descriptors_receive(int socket, int *fd);

/* A blocking socket that is connected to the path. -1: errno says why. */
int descriptors_connect(const char *path);

/* A non-blocking socket that listens there; what was there before is removed. */
int descriptors_listen(const char *path);

#endif
