#include "io/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { BURST = 64 }; /* accepts before the connections that are there have their turn */

static const double REST_SECONDS = 0.1;

static void listener_watch(struct listener *listener) {
    int wanted = listener->open && !listener->paused && !timer_is_set(&listener->rest);
    if (wanted) ev_io_start(listener->loop->ev, &listener->io);
    else ev_io_stop(listener->loop->ev, &listener->io);
}

static void listener_on_rested(struct timer *timer) {
    listener_watch((struct listener *)((char *)timer - offsetof(struct listener, rest)));
}

static void listener_rest(struct listener *listener) {
    timers_set(&listener->loop->timers, &listener->rest, listener->loop->now + REST_SECONDS);
    listener_watch(listener);
}

/* No descriptor is left for a client: use the spare one to tell it so by a close. Returns whether there may be another:
 * accept(2) looks for a descriptor before it looks for a client, so perhaps there was none. */
static int listener_turn_away(struct listener *listener, int error) {
    struct loop *loop = listener->loop;
    if (loop->reserve >= 0) close(loop->reserve);
    int fd = socket_accept(listener->io.fd, NULL);
    int nobody = fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (fd >= 0) close(fd);
    loop->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nobody) return 0;
    loop->counts.refused++;
    if (fd < 0 || loop->reserve < 0) listener_rest(listener);
    listener->refused(listener, error);
    return 1;
}

static int is_exhaustion(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* accept(2) also reports what went wrong with a client that is gone already; then the next one is tried. */
static int listener_accept_one(struct listener *listener) {
    struct endpoint peer;
    int fd = socket_accept(listener->io.fd, &peer);
    if (fd >= 0) {
        listener->accepted(listener, fd, &peer);
        return 1;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    return is_exhaustion(errno) ? listener_turn_away(listener, errno) : 1;
}

static void listener_on_event(struct ev_loop *ev, ev_io *io, int events) {
    (void)ev, (void)events;
    struct listener *listener = io->data;
    for (int i = 0; i < BURST && ev_is_active(io); i++)
        if (!listener_accept_one(listener)) return;
}

void listener_init(struct listener *listener, struct loop *loop, int fd) {
    listener->loop = loop;
    listener->open = 1;
    listener->paused = 0;
    listener->rest = (struct timer){listener_on_rested, 0};
    ev_io_init(&listener->io, listener_on_event, fd, EV_READ);
    listener->io.data = listener;
    loop->counts.listeners++;
    listener_watch(listener);
}

void listener_close(struct listener *listener) {
    if (!listener->open) return;
    listener->open = 0;
    listener_watch(listener);
    timers_clear(&listener->loop->timers, &listener->rest);
    close(listener->io.fd);
    listener->loop->counts.listeners--;
}

void listener_pause(struct listener *listener, int paused) {
    listener->paused = paused != 0;
    listener_watch(listener);
}
