/* Other processes. */
#ifndef PERIGEE_SYSTEM_PROCESS_H
#define PERIGEE_SYSTEM_PROCESS_H

/* Starts a shell command in the background, and returns a non-blocking descriptor that reads its standard output; -1
 * with errno. When the descriptor is closed the command's process group gets SIGTERM. Nobody has to wait for it: the
 * shell that started it has ended, and it belongs to init. */
int process_read(const char *command);

#endif
