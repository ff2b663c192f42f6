/* Watching directories for what happens to the files in them, inotify(7). A directory is known by the path that it was
 * added with; of several paths to one directory, one is told. Owner: whoever embeds it.
 * Invariant: every entry of the list is watched by the kernel; one whose directory is gone has been told of and taken
 * out. */
#ifndef PERIGEE_SYSTEM_FILE_WATCH_H
#define PERIGEE_SYSTEM_FILE_WATCH_H

#include <limits.h>
#include <stddef.h>
#include <sys/inotify.h>

#ifdef PERIGEE_TINY
enum { FILE_WATCH_ROOM = sizeof(struct inotify_event) + NAME_MAX + 1 }; /* the longest event */
#else
enum { FILE_WATCH_ROOM = 8192 };
#endif

struct file_watch_entry;

struct file_watch {
    int fd; /* -1: closed */
    struct file_watch_entry *entries;
    size_t at, length; /* events that have been read, but not told */
    _Alignas(struct inotify_event) char events[FILE_WATCH_ROOM];
};

enum file_watch_status {
    FILE_WATCH_CHANGED, /* the file `name` was written and closed, came, went, or got other attributes */
    FILE_WATCH_GONE,    /* the directory itself was moved or removed, and is not watched any more */
    FILE_WATCH_LOST,    /* the kernel's queue was full: anything may have happened */
    FILE_WATCH_EMPTY,   /* nothing more to tell now */
    FILE_WATCH_BROKEN   /* errno says why */
};

struct file_watch_event {
    char directory[PATH_MAX];
    char name[NAME_MAX + 1];
};

enum file_watch_scope {
    FILE_WATCH_FILES, /* what is in the directory, and the directory itself */
    FILE_WATCH_ITSELF /* only that it is moved or removed */
};

int file_watch_open(struct file_watch *watch); /* 0, or -1 with errno, and closed */
void file_watch_close(struct file_watch *watch);

/* Adding a path again is allowed, and needed when another directory may be there now. 0, or -1 with errno. */
int file_watch_add(struct file_watch *watch, const char *directory, enum file_watch_scope scope);
void file_watch_remove(struct file_watch *watch, const char *directory); /* nothing when it is not watched */

/* What has happened next; it does not block. `event` has the directory of CHANGED and GONE, the name of CHANGED. */
enum file_watch_status file_watch_next(struct file_watch *watch, struct file_watch_event *event);

#endif
