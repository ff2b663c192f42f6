#include "system/process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int wait_for(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return 0;
}

/* An asynchronous list has /dev/null as its standard input (POSIX, Shell Command Language 2.9.3). */
static char *background_text(const char *command) {
    char *text;
    return asprintf(&text, "{ %s\n} &", command) < 0 ? NULL : text;
}

static int spawn(char *text, int out) {
    char *const arguments[] = {"sh", "-c", text, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    int error = posix_spawn(&pid, "/bin/sh", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error) return errno = error, -1;
    return wait_for(pid);
}

int process_read(const char *command) {
    int fds[2];
    char *text = background_text(command);
    if (!text || pipe2(fds, O_CLOEXEC) < 0) {
        free(text);
        return -1;
    }
    int result = spawn(text, fds[1]), error = errno;
    free(text);
    close(fds[1]);
    if (result == 0 && fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0) return fds[0];
    close(fds[0]);
    return errno = error, -1;
}
