/* Jobs in the order in which they came, which a loop and its threads hand to each other. Any of them can be taken out.
 * Owner: the list's owner, who also has its lock where it needs one. A job has its node as its first member, so that
 * the node's address is the job's. Invariant: a node is in one list at a time. */
#ifndef PERIGEE_IO_JOB_LIST_H
#define PERIGEE_IO_JOB_LIST_H

#include <stddef.h>

struct job_node {
    struct job_node *next, **link; /* *link is this one */
};

struct job_list {
    struct job_node *first, **end;
};

static inline void job_list_init(struct job_list *list) {
    list->first = NULL;
    list->end = &list->first;
}

static inline void job_list_add(struct job_list *list, struct job_node *node) {
    node->next = NULL;
    node->link = list->end;
    *list->end = node;
    list->end = &node->next;
}

static inline void job_list_remove(struct job_list *list, struct job_node *node) {
    *node->link = node->next;
    if (node->next) node->next->link = node->link;
    else list->end = node->link;
}

/* The first job, which stays in the list; NULL: there is none. */
static inline void *job_list_first(const struct job_list *list) {
    return list->first;
}

/* The first job, taken out; NULL: there is none. */
static inline void *job_list_take(struct job_list *list) {
    struct job_node *node = list->first;
    if (node) job_list_remove(list, node);
    return node;
}

#endif
