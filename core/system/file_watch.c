#include "system/file_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_watch_entry {
    struct file_watch_entry *next;
    int number; /* of the kernel's watch; paths to one directory share it */
    char directory[];
};

static const uint32_t OF_ITSELF = IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_MASK_ADD;
static const uint32_t OF_FILES = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB;

int file_watch_open(struct file_watch *watch) {
    *watch = (struct file_watch){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    return watch->fd < 0 ? -1 : 0;
}

/* Takes the entry at *link out. */
static void entry_drop(struct file_watch_entry **link) {
    struct file_watch_entry *entry = *link;
    *link = entry->next;
    free(entry);
}

void file_watch_close(struct file_watch *watch) {
    while (watch->entries) entry_drop(&watch->entries);
    if (watch->fd >= 0) close(watch->fd);
    watch->fd = -1;
    watch->at = watch->length = 0;
}

/* What points to the entry of a path, or to the end of the list. */
static struct file_watch_entry **find_directory(struct file_watch *watch, const char *directory) {
    struct file_watch_entry **link = &watch->entries;
    while (*link && strcmp((*link)->directory, directory) != 0) link = &(*link)->next;
    return link;
}

static struct file_watch_entry **find_number(struct file_watch *watch, int number) {
    struct file_watch_entry **link = &watch->entries;
    while (*link && (*link)->number != number) link = &(*link)->next;
    return link;
}

/* The kernel's watch ends when no path is left that needs it. */
static void release_number(struct file_watch *watch, int number) {
    if (!*find_number(watch, number)) inotify_rm_watch(watch->fd, number); /* fails when it has ended by itself */
}

static int entry_add(struct file_watch *watch, const char *directory, int number) {
    size_t size = strlen(directory) + 1;
    struct file_watch_entry *entry = malloc(sizeof *entry + size);
    if (!entry) {
        release_number(watch, number);
        return errno = ENOMEM, -1;
    }
    entry->number = number;
    entry->next = watch->entries;
    memcpy(entry->directory, directory, size);
    watch->entries = entry;
    return 0;
}

int file_watch_add(struct file_watch *watch, const char *directory, enum file_watch_scope scope) {
    uint32_t mask = scope == FILE_WATCH_ITSELF ? OF_ITSELF : OF_ITSELF | OF_FILES;
    int number = inotify_add_watch(watch->fd, directory, mask);
    if (number < 0) return -1;
    struct file_watch_entry *entry = *find_directory(watch, directory);
    if (!entry) return entry_add(watch, directory, number);
    int old = entry->number;
    entry->number = number;
    if (old != number) release_number(watch, old);
    return 0;
}

void file_watch_remove(struct file_watch *watch, const char *directory) {
    struct file_watch_entry **link = find_directory(watch, directory);
    if (!*link) return;
    int number = (*link)->number;
    entry_drop(link);
    release_number(watch, number);
}

/* Of a file that was made, only those that nobody is going to write and close: links, directories. */
static int is_complete(const struct file_watch_event *event) {
    char path[PATH_MAX + NAME_MAX + 2];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", event->directory, event->name);
    return lstat(path, &status) == 0 && (!S_ISREG(status.st_mode) || status.st_nlink > 1);
}

/* Every path to a directory that is gone. */
static enum file_watch_status tell_gone(struct file_watch *watch, int number) {
    struct file_watch_entry **link;
    while (*(link = find_number(watch, number))) entry_drop(link);
    inotify_rm_watch(watch->fd, number); /* one that was moved is still watched */
    return FILE_WATCH_GONE;
}

/* EMPTY: it is of no interest. */
static enum file_watch_status tell(struct file_watch *watch, const struct inotify_event *raw,
                                   struct file_watch_event *event) {
    if (raw->mask & IN_Q_OVERFLOW) return FILE_WATCH_LOST;
    const struct file_watch_entry *entry = *find_number(watch, raw->wd);
    if (!entry) return FILE_WATCH_EMPTY; /* it came before the directory was removed from the list */
    snprintf(event->directory, sizeof event->directory, "%s", entry->directory);
    if (raw->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) return tell_gone(watch, raw->wd);
    if (!raw->len) return FILE_WATCH_EMPTY; /* attributes of the directory itself */
    snprintf(event->name, sizeof event->name, "%s", raw->name);
    return raw->mask & IN_CREATE && !is_complete(event) ? FILE_WATCH_EMPTY : FILE_WATCH_CHANGED;
}

static ssize_t file_watch_read(struct file_watch *watch) {
    ssize_t length;
    do length = read(watch->fd, watch->events, sizeof watch->events);
    while (length < 0 && errno == EINTR);
    watch->at = 0;
    watch->length = length > 0 ? (size_t)length : 0;
    return length;
}

enum file_watch_status file_watch_next(struct file_watch *watch, struct file_watch_event *event) {
    for (;;) {
        if (watch->at == watch->length && file_watch_read(watch) < 0)
            return errno == EAGAIN ? FILE_WATCH_EMPTY : FILE_WATCH_BROKEN;
        const struct inotify_event *raw = (const struct inotify_event *)(watch->events + watch->at);
        watch->at += sizeof *raw + raw->len;
        enum file_watch_status status = tell(watch, raw, event);
        if (status != FILE_WATCH_EMPTY) return status;
    }
}
