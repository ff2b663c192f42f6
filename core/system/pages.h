/* Runs of pages from the kernel, mmap(2), aligned to their own size. The caller owns what it takes. */
#ifndef PERIGEE_SYSTEM_PAGES_H
#define PERIGEE_SYSTEM_PAGES_H

#include <stddef.h>

void *pages_take(size_t size); /* a power of two; zeroed; NULL when out of memory */
void pages_give(void *pages, size_t size);

#endif
