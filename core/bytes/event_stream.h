/* Server-sent events (HTML standard, 9.2.5) and the parts of multipart/x-mixed-replace, as bytes. Owner: the caller's
 * text. Functions return 0, or -1 when out of memory. */
#ifndef PERIGEE_BYTES_EVENT_STREAM_H
#define PERIGEE_BYTES_EVENT_STREAM_H

#include "bytes/span.h"
#include "bytes/text.h"
#include <stdint.h>

struct event {
    struct span data;     /* lines are sent as lines */
    struct span name, id; /* without line ends; bytes NULL: none */
    int64_t retry;        /* milliseconds; -1: not said */
};

int event_append(struct text *out, const struct event *event);
int event_field_is_valid(struct span value); /* no line end and no NUL */

/* The boundary between parts, without its dashes. */
#define PART_BOUNDARY "perigee-part"
/* One part, with the boundary that ends it: viewers show a picture when its end has come. The first is preceded by
 * part_append_start. */
int part_append_start(struct text *out);
int part_append(struct text *out, struct span type, struct span data);

#endif
