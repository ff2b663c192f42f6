#include "io/child.h"
#include "io/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* All children of a loop. SIGCHLD is for those without a descriptor: the kernel is too old, or there were no more. */
struct child_family {
    struct signal_watch watch;
    struct child *first;
    unsigned unwatched; /* those that SIGCHLD tells of */
};

static void child_unwatch(struct child *child) {
    struct child_family *family = child->loop->family;
    if (child->io.fd >= 0) {
        ev_io_stop(child->loop->ev, &child->io);
        close(child->io.fd);
    } else if (--family->unwatched == 0) {
        signal_watch_stop(&family->watch);
    }
}

static void child_free(struct child *child) {
    *child->link = child->next;
    if (child->next) child->next->link = child->link;
    free(child);
}

/* It has ended, or is no child of ours any more: somebody else has waited for it, and its status is lost. */
static void child_end(struct child *child, int status) {
    child->has_ended = 1;
    child->status = status;
    child->loop->counts.children--;
    timers_clear(&child->loop->timers, &child->timer);
    child_unwatch(child);
    if (child->ended) child->ended(child, child->context);
    if (!child->is_held) child_free(child);
}

static void child_look(struct child *child) {
    int status = 0, result = child->has_ended ? 0 : process_reap(child->pid, &status);
    if (result) child_end(child, result > 0 ? status : CHILD_STATUS_LOST);
}

static void child_on_event(struct ev_loop *ev, ev_io *io, int events) {
    (void)ev, (void)events;
    child_look((struct child *)io); /* its first member */
}

static void family_on_signal(struct signal_watch *watch, int number) {
    struct child_family *family = (struct child_family *)watch;
    (void)number;
    for (struct child *child = family->first, *next; child; child = next) {
        next = child->next;
        if (child->io.fd < 0) child_look(child);
    }
}

static void child_on_timer(struct timer *timer) {
    child_signal((struct child *)((char *)timer - offsetof(struct child, timer)), SIGKILL);
}

static struct child_family *family_of(struct loop *loop) {
    if (!loop->family) loop->family = calloc(1, sizeof *loop->family);
    if (loop->family) loop->family->watch.received = family_on_signal;
    return loop->family;
}

/* It may have ended before the signal was watched: then none would come. */
static void child_await_signal(struct child *child) {
    struct child_family *family = child->loop->family;
    if (family->unwatched++ == 0) signal_watch_start(&family->watch, child->loop, SIGCHLD);
    ev_feed_signal_event(child->loop->ev, SIGCHLD);
}

static void child_watch(struct child *child) {
    ev_io_init(&child->io, child_on_event, process_watch(child->pid), EV_READ);
    if (child->io.fd >= 0) ev_io_start(child->loop->ev, &child->io);
    else child_await_signal(child);
}

static void child_join(struct child *child, struct child_family *family) {
    child->next = family->first;
    child->link = &family->first;
    if (child->next) child->next->link = &child->next;
    family->first = child;
    child->loop->counts.children++;
}

struct child *child_start(struct loop *loop, const struct process_request *request, struct process_failure *failure) {
    struct child_family *family = family_of(loop);
    struct child *child = family ? calloc(1, sizeof *child) : NULL;
    *failure = (struct process_failure){PROCESS_CREATE, ENOMEM};
    pid_t pid = child ? process_spawn(request, failure) : -1;
    if (pid < 0) {
        free(child);
        return NULL;
    }
    child->loop = loop;
    child->timer.fire = child_on_timer;
    child->pid = pid;
    child->group = request->group != 0;
    child->is_held = 1;
    child_join(child, family);
    child_watch(child);
    return child;
}

int child_signal(struct child *child, int number) {
    if (child->has_ended) return errno = ESRCH, -1;
    child->is_asked |= number == SIGTERM;
    return process_signal(child->pid, child->group, number);
}

void child_terminate(struct child *child, double grace) {
    if (child->has_ended) return;
    if (!child->is_asked) child_signal(child, SIGTERM);
    double at = child->loop->now + grace;
    if (timer_is_set(&child->timer) && timer_at(&child->loop->timers, &child->timer) <= at) return;
    if (timers_set(&child->loop->timers, &child->timer, at) < 0) child_signal(child, SIGKILL);
}

void child_let_go(struct child *child) {
    child->ended = NULL;
    child->is_held = 0;
    if (child->has_ended) child_free(child);
}

void child_disown(struct child *child) {
    child->is_disowned = 1;
}

void child_stop_all(struct loop *loop) {
    struct child_family *family = loop->family;
    while (family && family->first) {
        struct child *child = family->first;
        if (!child->is_asked && !child->is_disowned) child_signal(child, SIGTERM);
        child->ended = NULL;
        child->is_held = 0;
        if (child->has_ended) child_free(child);
        else child_end(child, 0);
    }
    free(family);
    loop->family = NULL;
}
