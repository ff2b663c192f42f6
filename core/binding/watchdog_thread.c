/* The thread of the watchdog, and the signal by which it reaches the main thread. */
#include "binding/watchdog.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

enum { IDLE_LOOKS = 4 /* before it sleeps until it is woken */, STACK_MILLISECONDS = 100 };

static const double GRACE_SECONDS = 0.1;   /* that an error has to reach the end, with what closes on its way */
static const double SILENT_SECONDS = 1;    /* after an error should have been raised */
static const double REPEAT_SECONDS = 30;   /* between two reports of the same silence */
static const double URGENT_SECONDS = 0.01; /* between two looks at a slice that is to end */
static const double LONGEST_PAUSE = 0.5;   /* between two signals about the same */
static const double SHORTEST_LOOK = 0.005, LONGEST_LOOK = 0.05;

/* What the thread knows of the slice that it saw last. */
struct sight {
    uint64_t slice;
    double since;         /* a moment, at most one look after it began */
    double raised_at;     /* 0: no error was raised, as far as is known */
    double report_at;     /* the next report of its silence */
    double ask_at, pause; /* the next signal */
    int warned, idle;
    int lets_end; /* signals end the process, instead of what they did before */
    struct sigaction before[2];
};

double watchdog_clock(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static struct timespec time_of(double seconds) {
    struct timespec time = {.tv_sec = (time_t)seconds};
    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    return time;
}

static void nap(struct watchdog *watchdog, double seconds) {
    struct timespec until = time_of(watchdog_clock() + seconds);
    while (sem_clockwait(&watchdog->wake, CLOCK_MONOTONIC, &until) < 0)
        if (errno != EINTR) return;
}

static void ask(struct watchdog *watchdog, const struct sight *sight, enum watchdog_request request) {
    watchdog->since = sight->since;
    __atomic_store_n(&watchdog->request, request, __ATOMIC_RELAXED);
    __atomic_store_n(&watchdog->wanted, sight->slice, __ATOMIC_RELEASE);
    pthread_kill(watchdog->watched, watchdog_signal());
}

/* What a signal would ask the loop for, it cannot do while it is silent: then the signal ends the process. */
static const int ending[] = {SIGINT, SIGTERM};

static void let_signals_end(struct sight *sight) {
    struct sigaction plain = {.sa_handler = SIG_DFL};
    if (sight->lets_end) return;
    for (int i = 0; i < 2; i++) {
        sigaction(ending[i], NULL, &sight->before[i]);
        if (sight->before[i].sa_handler != SIG_IGN) sigaction(ending[i], &plain, NULL);
    }
    sight->lets_end = 1;
}

static void let_signals_be(struct sight *sight) {
    if (!sight->lets_end) return;
    for (int i = 0; i < 2; i++) sigaction(ending[i], &sight->before[i], NULL);
    sight->lets_end = 0;
}

/* Has the main thread write its stack, and waits for it a little: in a system call that takes no signal it cannot. */
static void report(struct watchdog *watchdog, struct sight *sight, double now) {
    unsigned looks = __atomic_load_n(&watchdog->looks, __ATOMIC_ACQUIRE);
    ask(watchdog, sight, WATCHDOG_LOOK);
    for (int i = 0; i < STACK_MILLISECONDS && __atomic_load_n(&watchdog->looks, __ATOMIC_ACQUIRE) == looks; i++)
        nap(watchdog, 0.001);
    if (__atomic_load_n(&watchdog->watch->slice, __ATOMIC_RELAXED) != sight->slice) return;
    if (__atomic_load_n(&watchdog->looks, __ATOMIC_ACQUIRE) == looks) watchdog->stack.length = 0;
    let_signals_end(sight);
    watchdog_report_silence(watchdog, now - sight->since);
    sight->report_at = now + REPEAT_SECONDS;
}

/* A hook can get lost. Less and less often: in a deep recursion setting it takes long, and that must not be all that the
 * main thread does. */
static void ask_again(struct watchdog *watchdog, struct sight *sight, enum watchdog_request request, double now) {
    if (watchdog->request != request) sight->ask_at = sight->pause = 0;
    if (now < sight->ask_at) return;
    ask(watchdog, sight, request);
    sight->pause = sight->pause ? sight->pause * 2 : URGENT_SECONDS;
    if (sight->pause > LONGEST_PAUSE) sight->pause = LONGEST_PAUSE;
    sight->ask_at = now + sight->pause;
}

/* The slice is past its end, or it is one in which a task is to end. */
static void press(struct watchdog *watchdog, struct sight *sight, int is_raised, double now) {
    double expected = sight->since + watchdog->options.stop;
    if (is_raised && !sight->raised_at) sight->raised_at = now;
    if (is_raised) expected = sight->raised_at + GRACE_SECONDS;
    if (now >= expected + SILENT_SECONDS && now >= sight->report_at) report(watchdog, sight, now);
    else if (!is_raised) ask_again(watchdog, sight, WATCHDOG_STOP, now);
    else if (now >= expected) ask_again(watchdog, sight, WATCHDOG_INSIST, now);
}

/* Returns the seconds until the next look. */
static double look_at_slice(struct watchdog *watchdog, struct sight *sight, double now, double interval) {
    const struct watchdog_options *options = &watchdog->options;
    double seconds = now - sight->since;
    if (seconds > watchdog->longest) __atomic_store(&watchdog->longest, &seconds, __ATOMIC_RELAXED);
    int is_raised = __atomic_load_n(&watchdog->watch->raised, __ATOMIC_RELAXED) == sight->slice;
    if (options->stop && (seconds >= options->stop || is_raised)) {
        press(watchdog, sight, is_raised, now);
        return URGENT_SECONDS;
    }
    if (options->warn && seconds >= options->warn && !sight->warned) {
        ask(watchdog, sight, WATCHDOG_WARN);
        sight->warned = 1;
    }
    return interval;
}

/* Sleeps until a slice begins. A first, short sleep makes up for the main thread's loads and stores being in no order:
 * one that it has begun meanwhile is seen after that. */
static void park(struct watchdog *watchdog, const struct sight *sight, double interval) {
    struct watch *watch = watchdog->watch;
    __atomic_store_n(&watch->parked, 1, __ATOMIC_SEQ_CST);
    nap(watchdog, interval);
    if (__atomic_load_n(&watch->slice, __ATOMIC_SEQ_CST) == sight->slice)
        while (__atomic_load_n(&watch->parked, __ATOMIC_SEQ_CST) &&
               !__atomic_load_n(&watchdog->closing, __ATOMIC_RELAXED))
            sem_wait(&watchdog->wake);
    __atomic_store_n(&watch->parked, 0, __ATOMIC_SEQ_CST);
}

static double look(struct watchdog *watchdog, struct sight *sight, double interval) {
    const struct watch *watch = watchdog->watch;
    uint64_t slice = __atomic_load_n(&watch->slice, __ATOMIC_RELAXED);
    double now = watchdog_clock();
    int is_running = __atomic_load_n(&watch->running, __ATOMIC_RELAXED) != NULL;
    if (slice != sight->slice || !is_running) let_signals_be(sight);
    if (slice != sight->slice) *sight = (struct sight){.slice = slice, .since = now};
    else if (is_running) return look_at_slice(watchdog, sight, now, interval);
    else if (++sight->idle >= IDLE_LOOKS) return park(watchdog, sight, interval), 0;
    return interval;
}

static double interval_of(const struct watchdog_options *options) {
    double least = options->warn ? options->warn : options->stop;
    if (options->stop && options->stop < least) least = options->stop;
    double interval = least / 4;
    if (interval > LONGEST_LOOK) return LONGEST_LOOK;
    return interval < SHORTEST_LOOK ? SHORTEST_LOOK : interval;
}

static void *thread_main(void *argument) {
    struct watchdog *watchdog = argument;
    double interval = interval_of(&watchdog->options);
    struct sight sight = {0};
    pthread_setname_np(pthread_self(), "watchdog");
    while (!__atomic_load_n(&watchdog->closing, __ATOMIC_ACQUIRE)) {
        double seconds = look(watchdog, &sight, interval);
        nap(watchdog, seconds);
    }
    let_signals_be(&sight);
    return NULL;
}

/* With all signals blocked, which the thread inherits. */
int watchdog_thread_start(struct watchdog *watchdog) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&watchdog->thread, NULL, thread_main, watchdog);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}
