#include "bytes/http_accept.h"
#include "bytes/span.h"

#include <string.h>
#include <strings.h>

static struct span trimmed(struct span span) {
    while (span.length && (*span.bytes == ' ' || *span.bytes == '\t')) span.bytes++, span.length--;
    while (span.length && (span.bytes[span.length - 1] == ' ' || span.bytes[span.length - 1] == '\t')) span.length--;
    return span;
}

/* What comes before the separator; the rest is what comes behind it. */
static struct span cut(struct span *rest, char separator) {
    const char *at = rest->length ? memchr(rest->bytes, separator, rest->length) : NULL;
    struct span first = {rest->bytes, at ? (size_t)(at - rest->bytes) : rest->length};
    rest->bytes += first.length + (at != NULL);
    rest->length -= first.length + (at != NULL);
    return trimmed(first);
}

/* "q=0", "q=0.000" */
static int is_refusal(struct span weight) {
    weight = trimmed(weight);
    if (weight.length < 3 || (weight.bytes[0] | 32) != 'q' || weight.bytes[1] != '=') return 0;
    for (size_t i = 2; i < weight.length; i++)
        if (weight.bytes[i] != '0' && weight.bytes[i] != '.') return 0;
    return 1;
}

int http_accepts_coding(const char *list, size_t length, const char *coding) {
    struct span rest = {list, length};
    size_t wanted = strlen(coding);
    while (rest.length) {
        struct span weight = cut(&rest, ',');
        struct span name = cut(&weight, ';');
        if (name.length == wanted && strncasecmp(name.bytes, coding, wanted) == 0) return !is_refusal(weight);
    }
    return 0;
}
