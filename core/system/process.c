#include "system/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int wait_for(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return 0;
}

/* An asynchronous list has /dev/null as its standard input (POSIX, Shell Command Language 2.9.3). Its standard output is
 * a socket: the first of the two in it reads there, and ends the process group when we have closed our end. */
static char *background_text(const char *command) {
    static const char FORMAT[] = "{ { read -r _ <&1; kill 0; } & watch=$!\n( %s\n)\nkill $watch; } &";
    char *text;
    return asprintf(&text, FORMAT, command) < 0 ? NULL : text;
}

/* A process group of its own, and SIGPIPE, which we ignore, with its default action. */
static void set_attributes(posix_spawnattr_t *attributes) {
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigdefault(attributes, &defaults);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static int spawn(char *text, int out) {
    char *const arguments[] = {"sh", "-c", text, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    set_attributes(&attributes);
    int error = posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error) return errno = error, -1;
    return wait_for(pid);
}

int process_read(const char *command) {
    int fds[2];
    char *text = background_text(command);
    if (!text || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
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
