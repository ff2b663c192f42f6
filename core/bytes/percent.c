#include "bytes/percent.h"

static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    int letter = digit | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* The byte that a '%' and two digits stand for, or -1. */
static int escape_value(const char *at, size_t left) {
    if (left < 3) return -1;
    int high = hex_value(at[1]), low = hex_value(at[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

size_t percent_decode(char *to, const char *from, size_t length, int plus_is_space) {
    char *start = to;
    for (size_t i = 0; i < length; i++) {
        int value = from[i] == '%' ? escape_value(from + i, length - i) : -1;
        char byte = from[i];
        if (value >= 0) {
            byte = (char)value;
            i += 2;
        } else if (plus_is_space && byte == '+') {
            byte = ' ';
        }
        *to++ = byte;
    }
    return (size_t)(to - start);
}

static int is_unreserved(char byte) {
    int letter = byte | 0x20;
    return (letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' ||
           byte == '_' || byte == '~';
}

int percent_encode(struct text *out, const char *bytes, size_t length) {
    static const char digits[] = "0123456789ABCDEF";
    if (length > (size_t)-1 / 3 || text_reserve(out, 3 * length) < 0) return -1;
    if (!length) return 0; /* there may be no memory yet */
    char *to = out->bytes + out->length;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (is_unreserved(bytes[i])) {
            *to++ = bytes[i];
            continue;
        }
        *to++ = '%';
        *to++ = digits[byte >> 4];
        *to++ = digits[byte & 15];
    }
    out->length = (size_t)(to - out->bytes);
    return 0;
}

static void pair_split(struct form_pair *pair, const char *start, const char *stop) {
    const char *equals = memchr(start, '=', (size_t)(stop - start));
    const char *name_end = equals ? equals : stop, *value = equals ? equals + 1 : stop;
    pair->name = (struct span){start, (size_t)(name_end - start)};
    pair->value = (struct span){value, (size_t)(stop - value)};
}

int form_next(const char *bytes, size_t length, size_t *position, struct form_pair *pair) {
    while (*position < length) {
        const char *at = bytes + *position, *stop = memchr(at, '&', length - *position);
        *position = stop ? (size_t)(stop - bytes) + 1 : length;
        if (stop == at) continue;
        pair_split(pair, at, stop ? stop : bytes + length);
        return 1;
    }
    return 0;
}
