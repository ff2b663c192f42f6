/* What a new process does until it executes its program. It may share our memory, vfork(2): nothing here allocates, and
 * whatever it needs was prepared before. */
#ifndef PERIGEE_SYSTEM_PROCESS_BEGIN_H
#define PERIGEE_SYSTEM_PROCESS_BEGIN_H

#include "system/process.h"

struct process_plan {
    const struct process_request *request;
    char **paths; /* of the program: each is tried; ended by NULL */
    int *moved;   /* room for a number for each of the request's descriptors */
    int report;   /* where it writes a process_failure */
};

_Noreturn void process_begin(const struct process_plan *plan);

#endif
