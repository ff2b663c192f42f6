#include "system/process.h"
#include "system/process_begin.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char DEFAULT_PATH[] = "/usr/local/bin:/usr/bin:/bin";

static const char *search_path(char *const *environment) {
    for (; *environment; environment++)
        if (strncmp(*environment, "PATH=", 5) == 0) return *environment + 5;
    return DEFAULT_PATH;
}

static size_t count_directories(const char *path) {
    size_t count = 1;
    for (; *path; path++) count += *path == ':';
    return count;
}

/* DIRECTORY/NAME; an empty directory is the working directory. Returns the end of what was written. */
static char *join(char *target, const char *directory, size_t length, const char *name) {
    memcpy(target, directory, length);
    target += length;
    if (length) *target++ = '/';
    return stpcpy(target, name) + 1;
}

/* Where a program may be, in one piece of memory: the pointers, and behind them what they point to. NULL: no memory. */
static char **find_paths(const char *name, char *const *environment) {
    const char *path = strchr(name, '/') || !*name ? "" : search_path(environment);
    size_t count = count_directories(path);
    char **paths = malloc((count + 1) * sizeof *paths + strlen(path) + count * (strlen(name) + 2));
    if (!paths) return NULL;
    char *text = (char *)(paths + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(path, ":");
        paths[i] = text;
        text = join(text, path, length, name);
        path += length + (path[length] == ':');
    }
    paths[count] = NULL;
    return paths;
}

/* With a user of its own it must not share our memory: the kernel would take our memory for that user's. In a function
 * of its own: after vfork(2) the two share the stack, too. */
static pid_t __attribute__((noinline)) divide(const struct process_plan *plan) {
    pid_t pid = plan->request->user ? fork() : vfork();
    if (pid == 0) process_begin(plan);
    return pid;
}

static void reap_failed(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
}

/* The report is closed by the program's execution, or there is one. */
static int read_report(int fd, struct process_failure *failure) {
    ssize_t count;
    do count = read(fd, failure, sizeof *failure);
    while (count < 0 && errno == EINTR);
    if (count == 0) return 0;
    if (count != sizeof *failure) *failure = (struct process_failure){PROCESS_CREATE, count < 0 ? errno : EIO};
    return -1;
}

static int fail(struct process_failure *failure, int error) {
    *failure = (struct process_failure){PROCESS_CREATE, error};
    return -1;
}

/* A program that has SIGCHLD ignored gets no status of its children, and we may have begun so. */
static void hold_signals(sigset_t *before) {
    struct sigaction action;
    sigset_t all;
    if (sigaction(SIGCHLD, NULL, &action) == 0 && action.sa_handler == SIG_IGN) signal(SIGCHLD, SIG_DFL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

static pid_t spawn_reported(struct process_plan *plan, struct process_failure *failure) {
    int report[2];
    sigset_t before;
    if (pipe2(report, O_CLOEXEC) < 0) return fail(failure, errno);
    plan->report = report[1];
    hold_signals(&before);
    pid_t pid = divide(plan);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    int failed = pid < 0 ? fail(failure, error) : read_report(report[0], failure);
    close(report[0]);
    if (failed && pid > 0) reap_failed(pid);
    return failed ? -1 : pid;
}

pid_t process_spawn(const struct process_request *request, struct process_failure *failure) {
    struct process_plan plan = {.request = request};
    plan.paths = find_paths(request->arguments[0], request->environment);
    plan.moved = malloc((request->descriptor_count + 1) * sizeof *plan.moved);
    pid_t pid = plan.paths && plan.moved ? spawn_reported(&plan, failure) : fail(failure, ENOMEM);
    free(plan.paths);
    free(plan.moved);
    return pid;
}

int process_watch(pid_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec */
}

int process_reap(pid_t pid, int *status) {
    pid_t ended;
    do ended = waitpid(pid, status, WNOHANG);
    while (ended < 0 && errno == EINTR);
    return ended < 0 ? -1 : ended == pid;
}

int process_signal(pid_t pid, int group, int number) {
    return kill(group ? -pid : pid, number);
}
