/* Dates of HTTP (RFC 9110 5.6.7): written in the one form that is current, read in all three, without time zones or
 * locales. Seconds are counted from 1970 in UTC, without leap seconds. Owner: the caller. */
#ifndef PERIGEE_BYTES_HTTP_DATE_H
#define PERIGEE_BYTES_HTTP_DATE_H

#include <stddef.h>
#include <stdint.h>

enum { HTTP_DATE_SIZE = 30 /* bytes, with the NUL */ };

/* "Sun, 06 Nov 1994 08:49:37 GMT". What is before the year 0 or after 9999 is written as the nearest that is not. */
void http_date_write(char text[HTTP_DATE_SIZE], int64_t seconds);

/* 0, or -1 when it is no date, down to the day of the week. A year of two digits is the latest that is not more than 50
 * years after that of `now`. Second 60 is read as the next minute's first. */
int http_date_parse(const char *bytes, size_t length, int64_t now, int64_t *seconds);

#endif
