#include "bytes/event_stream.h"

#include <stdio.h>

static int put(struct text *out, const char *string) {
    return text_append(out, string, strlen(string));
}

static int put_field(struct text *out, const char *name, struct span value) {
    return put(out, name) | text_append(out, value.bytes, value.length) | put(out, "\n");
}

/* Up to the next line end, which is \n, \r or both; *rest is what follows it, or has no bytes when there was none. */
static struct span first_line(struct span *rest) {
    struct span line = {rest->bytes, 0};
    while (line.length < rest->length && line.bytes[line.length] != '\n' && line.bytes[line.length] != '\r')
        line.length++;
    size_t after = line.length, length = rest->length;
    if (after < length && line.bytes[after] == '\r')
        after += after + 1 < length && line.bytes[after + 1] == '\n' ? 2 : 1;
    else if (after < length) after++;
    *rest = after > line.length ? (struct span){line.bytes + after, length - after} : (struct span){NULL, 0};
    return line;
}

int event_append(struct text *out, const struct event *event) {
    size_t before = out->length;
    int failed = 0;
    if (event->name.bytes) failed |= put_field(out, "event: ", event->name);
    if (event->id.bytes) failed |= put_field(out, "id: ", event->id);
    if (event->retry >= 0) {
        char retry[40];
        snprintf(retry, sizeof retry, "retry: %lld\n", (long long)event->retry);
        failed |= put(out, retry);
    }
    struct span rest = event->data;
    while (rest.bytes) failed |= put_field(out, "data: ", first_line(&rest));
    failed |= put(out, "\n");
    if (failed) out->length = before;
    return failed ? -1 : 0;
}

int event_field_is_valid(struct span value) {
    for (size_t i = 0; i < value.length; i++)
        if (value.bytes[i] == '\n' || value.bytes[i] == '\r' || value.bytes[i] == 0) return 0;
    return 1;
}

int part_append_start(struct text *out) {
    return put(out, "--" PART_BOUNDARY "\r\n");
}

int part_append(struct text *out, struct span type, struct span data) {
    size_t before = out->length;
    char length[48];
    snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n\r\n", data.length);
    int failed = put(out, "Content-Type: ") | text_append(out, type.bytes, type.length) | put(out, length);
    failed |= text_append(out, data.bytes, data.length) | put(out, "\r\n--" PART_BOUNDARY "\r\n");
    if (failed) out->length = before;
    return failed ? -1 : 0;
}
