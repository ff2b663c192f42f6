/* Telling the service manager (systemd's sd_notify(3)): one datagram to a Unix socket. */
#ifndef PERIGEE_SYSTEM_NOTIFY_H
#define PERIGEE_SYSTEM_NOTIFY_H

#include <stddef.h>

/* Sends the text to the socket at `path`, where a leading '@' is the abstract namespace, unix(7). 0, or -1 with errno. */
int notify_send(const char *path, const char *text, size_t length);

#endif
