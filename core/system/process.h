/* Other processes: starting, signalling and reaping them. No shell is involved. The started program has the descriptors
 * that it is given, its standard ones, and no other; every signal has its default action there, and none is blocked. */
#ifndef PERIGEE_SYSTEM_PROCESS_H
#define PERIGEE_SYSTEM_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

struct user;

struct process_descriptor {
    int fd, number; /* ours; what it is called there */
};

struct process_request {
    char *const *arguments;   /* ended by NULL; the first is the program, found by the PATH of `environment` */
    char *const *environment; /* "NAME=value", ended by NULL */
    const char *directory;    /* NULL: ours */
    const struct process_descriptor *descriptors;
    size_t descriptor_count;
    const struct user *user; /* NULL: ours */
    int group;               /* in a process group of its own */
};

/* What did not work when a process could not be started. */
enum process_stage {
    PROCESS_CREATE,
    PROCESS_DESCRIPTORS,
    PROCESS_USER,
    PROCESS_DIRECTORY,
    PROCESS_PROGRAM,    /* execve(2) */
    PROCESS_INTERPRETER /* the program is there, what is to run it is not */
};

struct process_failure {
    enum process_stage stage;
    int error; /* errno's value */
};

/* Returns when the program has been loaded: its pid; or -1 with *failure, and no process is left. */
pid_t process_spawn(const struct process_request *request, struct process_failure *failure);

/* A descriptor that is readable when the process has ended, pidfd_open(2); -1 with errno. */
int process_watch(pid_t pid);
/* 1: it has ended, and *status is that of waitpid(2); 0: it runs; -1 with errno: it is no child of ours. */
int process_reap(pid_t pid, int *status);
/* kill(2); `group`: all of the group that it leads. Only for a process that was not reaped. */
int process_signal(pid_t pid, int group, int number);

#endif
