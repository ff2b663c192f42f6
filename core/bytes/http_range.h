/* What a conditional or partial request asks for: the ranges of a Range field (RFC 9110 14), and whether an entity tag
 * is in the list of an If-Match or If-None-Match field (RFC 9110 13.1). Owner: the caller. */
#ifndef PERIGEE_BYTES_HTTP_RANGE_H
#define PERIGEE_BYTES_HTTP_RANGE_H

#include <stddef.h>
#include <stdint.h>

struct http_range {
    uint64_t start, length; /* bytes; within the size, never empty */
};

/* Returns how many ranges of `size` bytes the field asks for, in its order, overlapping or not; 0 when none of them can
 * be had (416); -1 when the field is to be ignored: malformed, of another unit than bytes, more than `max` ranges, or
 * there is not one byte to choose from. */
int http_range_parse(const char *bytes, size_t length, uint64_t size, struct http_range *ranges, int max);

/* Is the tag (with its quotes, and W/ when weak) in the list? "*" has every tag; a malformed list has none. Compared
 * weakly (If-None-Match), or strongly: then weak tags equal nothing (If-Match, If-Range). */
int http_etag_list_has(const char *list, size_t length, const char *etag, size_t etag_length, int weak);

#endif
