#include "system/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENTRY_SIZE = 64 * 1024 }; /* of a line of the user database */

static int user_number(const char *name, uid_t *uid) {
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    if (*end || end == name || *name == '-' || number >= (uid_t)-1) return -1;
    *uid = (uid_t)number;
    return 0;
}

static int group_find(const char *name, gid_t *gid, char *memory) {
    struct group entry, *found = NULL;
    uid_t number;
    int error = getgrnam_r(name, &entry, memory, ENTRY_SIZE, &found);
    if (found) return *gid = found->gr_gid, 0;
    if (user_number(name, &number) < 0) return errno = error ? error : ENOENT, -1;
    return *gid = number, 0;
}

static int user_take_groups(struct user *user, const char *name) {
    int count = USER_GROUPS_MAX;
    if (getgrouplist(name, user->gid, user->groups, &count) < 0) return errno = E2BIG, -1;
    user->group_count = (size_t)count;
    return 0;
}

/* `group`: NULL for the user's own. */
static int user_look_up(const char *name, const char *group, struct user *user, char *memory) {
    char known[256];
    struct passwd entry, *found = NULL;
    uid_t uid;
    int error = getpwnam_r(name, &entry, memory, ENTRY_SIZE, &found);
    if (!found && user_number(name, &uid) == 0) error = getpwuid_r(uid, &entry, memory, ENTRY_SIZE, &found);
    if (!found) return errno = error ? error : ENOENT, -1;
    user->uid = found->pw_uid;
    user->gid = found->pw_gid;
    snprintf(known, sizeof known, "%s", found->pw_name);
    if (group && group_find(group, &user->gid, memory) < 0) return -1;
    return user_take_groups(user, known);
}

static int user_split(const char *name, struct user *user, char *memory) {
    char copy[256], *colon;
    if (strlen(name) >= sizeof copy) return errno = ENOENT, -1;
    strcpy(copy, name);
    colon = strchr(copy, ':');
    if (colon) *colon = 0;
    return user_look_up(copy, colon ? colon + 1 : NULL, user, memory);
}

int user_find(const char *name, struct user *user) {
    char *memory = malloc(ENTRY_SIZE);
    if (!memory) return -1;
    int result = user_split(name, user, memory), error = errno;
    free(memory);
    return errno = error, result;
}

/* The library's functions of these names do it in every thread, which a process that shares our memory must not. */
int user_become(const struct user *user) {
    if (syscall(SYS_setgroups, user->group_count, user->groups) < 0) return -1;
    if (syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0) return -1;
    return syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0 ? -1 : 0;
}

/* Root that was given up must not come back. */
static int user_is_final(const struct user *user) {
    uid_t real, effective, saved;
    if (getresuid(&real, &effective, &saved) < 0) return 0;
    if (real != user->uid || effective != user->uid || saved != user->uid) return 0;
    return user->uid == 0 || (setuid(0) < 0 && seteuid(0) < 0);
}

int user_become_whole(const struct user *user) {
    if (geteuid() == 0 && setgroups(user->group_count, user->groups) < 0) return -1;
    if (setresgid(user->gid, user->gid, user->gid) < 0) return -1;
    if (setresuid(user->uid, user->uid, user->uid) < 0) return -1;
    return user_is_final(user) ? 0 : (errno = EPERM, -1);
}
