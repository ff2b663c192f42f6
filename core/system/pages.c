#include "system/pages.h"

#include <stdint.h>
#include <sys/mman.h>

/* Maps twice the size and gives back what is outside of the aligned half. */
void *pages_take(size_t size) {
    char *start = mmap(NULL, size * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return NULL;
    size_t before = (size - (uintptr_t)start % size) % size;
    if (before) munmap(start, before);
    munmap(start + before + size, size - before);
    return start + before;
}

void pages_give(void *pages, size_t size) {
    munmap(pages, size);
}
