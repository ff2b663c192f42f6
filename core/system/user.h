/* Users of the system, and becoming one. */
#ifndef PERIGEE_SYSTEM_USER_H
#define PERIGEE_SYSTEM_USER_H

#include <stddef.h>
#include <sys/types.h>

enum { USER_GROUPS_MAX = 256 };

struct user {
    uid_t uid;
    gid_t gid;
    gid_t groups[USER_GROUPS_MAX]; /* all that it belongs to */
    size_t group_count;
};

/* By name, or by number; "NAME:GROUP" with another group than its own. 0; or -1 with errno, ENOENT: there is none of that
 * name. */
int user_find(const char *name, struct user *user);

/* Gives all other rights up, for good; of this thread alone, by system calls alone: for a process that is about to
 * execute a program. 0, or -1 with errno. */
int user_become(const struct user *user);

/* The same for this process, with all its threads; afterwards it has tried in vain to be root again. 0, or -1 with
 * errno: then some rights may be gone already. */
int user_become_whole(const struct user *user);

#endif
