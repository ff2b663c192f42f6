/* The header fields of a part of a form. Owner: the parser of the form. */
#ifndef PERIGEE_BYTES_MULTIPART_HEAD_H
#define PERIGEE_BYTES_MULTIPART_HEAD_H

#include "bytes/multipart.h"

/* Parses lines that each end in CRLF, in place: names are decoded where they are. NULL, or what is wrong. */
const char *multipart_head_parse(struct multipart_part *part, char *head, size_t length);

#endif
