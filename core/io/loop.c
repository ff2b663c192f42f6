#include "io/loop.h"
#include "bytes/buffer.h"
#include "bytes/queue.h"
#include "bytes/tiny.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { KEPT_INPUT_PIECES = 8, KEPT_OUTPUT_PIECES = 128 };

double loop_update(struct loop *loop) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return loop->now = (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void loop_on_check(struct ev_loop *ev, ev_check *watcher, int events) {
    (void)ev, (void)events;
    loop_update(watcher->data);
}

static void loop_on_alarm(struct ev_loop *ev, ev_timer *watcher, int events) {
    (void)ev, (void)watcher, (void)events; /* it only ends the poll: timers fire before the next sleep */
}

static void loop_on_idle(struct ev_loop *ev, ev_idle *watcher, int events) {
    (void)ev, (void)watcher, (void)events; /* while it is active the poll does not block */
}

/* Makes the poll end when the first timer is due. A timer that moved later leaves the alarm where it is: it
 * fires early once and is set again then. */
static void loop_set_alarm(struct loop *loop) {
    if (!loop->timers.count) return;
    double after = loop->timers.entries[0].at - loop->now;
    if (ev_is_active(&loop->alarm) && ev_timer_remaining(loop->ev, &loop->alarm) <= after) return;
    ev_timer_stop(loop->ev, &loop->alarm);
    ev_timer_set(&loop->alarm, after > 0 ? after : 0, 0);
    ev_timer_start(loop->ev, &loop->alarm);
}

/* Flushes what is marked now; what a flush wakes may mark again, for the next pass. */
static void dirty_flush(struct dirty_list *list) {
    struct dirty *marked = list->first;
    if (!marked) return;
    marked->link = &marked;
    list->first = NULL;
    list->end = &list->first;
    while (marked) { /* cppcheck-suppress knownConditionTrueFalse ; dirty_unmark moves it on, through its link */
        struct dirty *dirty = marked;
        dirty_unmark(list, dirty);
        list->flush(dirty);
    }
}

static void loop_on_prepare(struct ev_loop *ev, ev_prepare *watcher, int events) {
    (void)events;
    struct loop *loop = watcher->data;
    loop->restless = 0;
    timers_fire(&loop->timers, loop->now);
    if (loop->turn) loop->turn(loop->turn_context);
    dirty_flush(&loop->dirty_connections);
    dirty_flush(&loop->dirty_datagrams);
    dirty_flush(&loop->dirty_durables); /* after those whose flush may wake tasks */
    if (loop->restless || loop->dirty_connections.first || loop->dirty_datagrams.first) ev_idle_start(ev, &loop->idle);
    else if (ev_is_active(&loop->idle)) ev_idle_stop(ev, &loop->idle);
    loop_set_alarm(loop);
}

static void loop_init_watchers(struct loop *loop) {
    ev_prepare_init(&loop->prepare, loop_on_prepare);
    ev_check_init(&loop->check, loop_on_check);
    ev_idle_init(&loop->idle, loop_on_idle);
    ev_timer_init(&loop->alarm, loop_on_alarm, 0, 0);
    ev_set_priority(&loop->check, EV_MAXPRI); /* before the events of the pass */
    loop->prepare.data = loop->check.data = loop;
    ev_prepare_start(loop->ev, &loop->prepare);
    ev_check_start(loop->ev, &loop->check);
}

int loop_init(struct loop *loop) {
    *loop = (struct loop){.reserve = -1};
    loop->dirty_connections.end = &loop->dirty_connections.first;
    loop->dirty_datagrams.end = &loop->dirty_datagrams.first;
    loop->dirty_durables.end = &loop->dirty_durables.first;
    loop->ev = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL); /* the default loop would reap everybody's children */
    if (!loop->ev) return errno = ENOSYS, -1;
    loop->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pool_init(&loop->input, sizeof(struct buffer) + INPUT_BLOCK_SIZE, KEPT_INPUT_PIECES);
    pool_init(&loop->output, queue_block_size(), KEPT_OUTPUT_PIECES);
    timers_init(&loop->timers);
    loop_init_watchers(loop);
    loop_update(loop);
    return 0;
}

void loop_destroy(struct loop *loop) {
    pool_destroy(&loop->input);
    pool_destroy(&loop->output);
    shared_drop(&loop->shared);
    timers_destroy(&loop->timers);
    free(loop->incoming);
    if (loop->reserve >= 0) close(loop->reserve);
    ev_loop_destroy(loop->ev);
}

void loop_run(struct loop *loop) {
    ev_run(loop->ev, 0);
}

void loop_stop(struct loop *loop) {
    ev_break(loop->ev, EVBREAK_ALL);
}

void dirty_mark(struct dirty_list *list, struct dirty *dirty) {
    if (dirty->link) return;
    dirty->next = NULL;
    dirty->link = list->end;
    *list->end = dirty;
    list->end = &dirty->next;
}

void dirty_unmark(struct dirty_list *list, struct dirty *dirty) {
    if (!dirty->link) return;
    *dirty->link = dirty->next;
    if (dirty->next) dirty->next->link = dirty->link;
    else if (list->end == &dirty->next) list->end = dirty->link;
    dirty->link = NULL;
}

void loop_trim(struct loop *loop) {
    pool_trim(&loop->input);
    pool_trim(&loop->output);
    shared_drop(&loop->shared);
    timers_trim(&loop->timers);
    free(loop->incoming);
    loop->incoming = NULL;
    malloc_trim(0);
}
