#include "system/process_begin.h"
#include "system/user.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FIRST_NUMBER = 3, INHERITED_MAX = 1024, CLOSE_ON_EXEC = 4 /* CLOSE_RANGE_CLOEXEC */ };

static _Noreturn void give_up(int report, enum process_stage stage) {
    struct process_failure failure = {stage, errno};
    ssize_t written = write(report, &failure, sizeof failure);
    _exit(written == sizeof failure ? 127 : 126);
}

/* A handler of ours must not run here, so all get their default action while every signal is still blocked. */
static void reset_signals(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int number = 1; number < NSIG; number++) sigaction(number, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int highest_number(const struct process_request *request) {
    int highest = FIRST_NUMBER - 1;
    for (size_t i = 0; i < request->descriptor_count; i++)
        if (request->descriptors[i].number > highest) highest = request->descriptors[i].number;
    return highest;
}

/* Ours have the mark; what this process has inherited itself may lack it, and has a low number. */
static void close_all_on_exec(void) {
    if (syscall(SYS_close_range, FIRST_NUMBER, ~0U, CLOSE_ON_EXEC) == 0) return;
    for (int fd = FIRST_NUMBER; fd < INHERITED_MAX; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC); /* kernels before 5.11 */
}

/* A number may be one that another descriptor has now: first all of them go above the highest. */
static int arrange_descriptors(const struct process_plan *plan, int *report) {
    const struct process_request *request = plan->request;
    int above = highest_number(request) + 1, moved = fcntl(*report, F_DUPFD_CLOEXEC, above);
    if (moved < 0) return -1;
    *report = moved;
    for (size_t i = 0; i < request->descriptor_count; i++) {
        plan->moved[i] = fcntl(request->descriptors[i].fd, F_DUPFD_CLOEXEC, above);
        if (plan->moved[i] < 0) return -1;
    }
    close_all_on_exec();
    for (size_t i = 0; i < request->descriptor_count; i++)
        if (dup2(plan->moved[i], request->descriptors[i].number) < 0) return -1;
    return 0;
}

/* Tries each path, as execvp(3) does; errno is the last one that says more than that nothing is there. */
static enum process_stage execute(const struct process_plan *plan) {
    int error = ENOENT;
    for (char **path = plan->paths; *path; path++) {
        execve(*path, plan->request->arguments, plan->request->environment);
        if (errno == ENOENT && access(*path, F_OK) == 0) return PROCESS_INTERPRETER;
        if (errno != ENOENT && errno != ENOTDIR) error = errno;
        if (error != ENOENT && error != EACCES) break;
    }
    return errno = error, PROCESS_PROGRAM;
}

_Noreturn void process_begin(const struct process_plan *plan) {
    const struct process_request *request = plan->request;
    int report = plan->report;
    reset_signals();
    if (request->group && setpgid(0, 0) < 0) give_up(report, PROCESS_CREATE);
    if (arrange_descriptors(plan, &report) < 0) give_up(report, PROCESS_DESCRIPTORS);
    if (request->user && user_become(request->user) < 0) give_up(report, PROCESS_USER);
    if (request->directory && chdir(request->directory) < 0) give_up(report, PROCESS_DIRECTORY);
    enum process_stage stage = execute(plan);
    give_up(report, stage);
}
