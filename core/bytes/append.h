/* Text in memory of a fixed size: what does not fit is cut. Nothing is allocated, so a signal handler can. */
#ifndef PERIGEE_BYTES_APPEND_H
#define PERIGEE_BYTES_APPEND_H

#include <stdarg.h>
#include <stddef.h>

/* As vsnprintf(3), behind the `length` bytes that are there, of `size`: returns the new length, less than `size`. */
size_t append_format(char *bytes, size_t size, size_t length, const char *format, va_list arguments);

#endif
