#include "bytes/append.h"

#include <stdio.h>

size_t append_format(char *bytes, size_t size, size_t length, const char *format, va_list arguments) {
    size_t room = size - length;
    int added = vsnprintf(bytes + length, room, format, arguments);
    if (added < 0) return length;
    return (size_t)added < room ? length + (size_t)added : size - 1;
}
