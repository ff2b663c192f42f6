#include "io/timers.h"

#include <stdlib.h>

enum { ARITY = 4, CAPACITY = 64 /* at least */ };

void timers_init(struct timers *timers) {
    timers->entries = NULL;
    timers->count = timers->capacity = 0;
}

void timers_destroy(struct timers *timers) {
    free(timers->entries);
    timers_init(timers);
}

static void timers_place(struct timers *timers, unsigned index, struct timer_entry entry) {
    timers->entries[index] = entry;
    entry.timer->slot = index + 1;
}

static void timers_sift_up(struct timers *timers, unsigned index, struct timer_entry entry) {
    while (index) {
        unsigned parent = (index - 1) / ARITY;
        if (timers->entries[parent].at <= entry.at) break;
        timers_place(timers, index, timers->entries[parent]);
        index = parent;
    }
    timers_place(timers, index, entry);
}

static unsigned timers_earliest_child(const struct timers *timers, unsigned index) {
    unsigned first = index * ARITY + 1, best = first;
    for (unsigned child = first + 1; child < first + ARITY && child < timers->count; child++)
        if (timers->entries[child].at < timers->entries[best].at) best = child;
    return best;
}

static void timers_sift_down(struct timers *timers, unsigned index, struct timer_entry entry) {
    while (index * ARITY + 1 < timers->count) {
        unsigned child = timers_earliest_child(timers, index);
        if (entry.at <= timers->entries[child].at) break;
        timers_place(timers, index, timers->entries[child]);
        index = child;
    }
    timers_place(timers, index, entry);
}

static void timers_restore(struct timers *timers, unsigned index, struct timer_entry entry) {
    if (index && timers->entries[(index - 1) / ARITY].at > entry.at) timers_sift_up(timers, index, entry);
    else timers_sift_down(timers, index, entry);
}

static int timers_resize(struct timers *timers, unsigned capacity) {
    struct timer_entry *entries = realloc(timers->entries, capacity * sizeof *entries);
    if (!entries) return -1;
    timers->entries = entries;
    timers->capacity = capacity;
    return 0;
}

static int timers_grow(struct timers *timers) {
    return timers_resize(timers, timers->capacity ? timers->capacity / 4 * 5 : CAPACITY);
}

void timers_trim(struct timers *timers) {
    unsigned capacity = timers->capacity;
    while (capacity > CAPACITY && capacity / 4 >= timers->count) capacity /= 2;
    if (capacity < timers->capacity) timers_resize(timers, capacity); /* if it fails the old room serves on */
}

int timers_set(struct timers *timers, struct timer *timer, double at) {
    struct timer_entry entry = {at, timer};
    if (timer->slot) {
        timers_restore(timers, timer->slot - 1, entry);
        return 0;
    }
    if (timers->count == timers->capacity && timers_grow(timers) < 0) return -1;
    timers_sift_up(timers, timers->count++, entry);
    return 0;
}

void timers_clear(struct timers *timers, struct timer *timer) {
    if (!timer->slot) return;
    unsigned index = timer->slot - 1;
    struct timer_entry last = timers->entries[--timers->count];
    timer->slot = 0;
    if (last.timer != timer) timers_restore(timers, index, last);
}

void timers_fire(struct timers *timers, double now) {
    while (timers->count && timers->entries[0].at <= now) {
        struct timer *timer = timers->entries[0].timer;
        timers_clear(timers, timer);
        timer->fire(timer);
    }
}
