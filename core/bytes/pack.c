#include "bytes/pack.h"

enum { LONGEST_SIZE = 10 /* bytes of 64 bits in LEB128 */, COUNT_SIZE = 4 };

int pack_byte(struct text *text, unsigned byte) {
    unsigned char value = (unsigned char)byte;
    return text_append(text, &value, 1);
}

int pack_size(struct text *text, uint64_t size) {
    unsigned char bytes[LONGEST_SIZE];
    size_t count = 0;
    for (; size >= 0x80; size >>= 7) bytes[count++] = (unsigned char)(size | 0x80);
    bytes[count++] = (unsigned char)size;
    return text_append(text, bytes, count);
}

int pack_run(struct text *text, const void *bytes, size_t length) {
    size_t before = text->length;
    if (pack_size(text, length) == 0 && text_append(text, bytes, length) == 0) return 0;
    text->length = before;
    return -1;
}

ptrdiff_t pack_count_later(struct text *text) {
    static const char nothing[COUNT_SIZE];
    ptrdiff_t place = (ptrdiff_t)text->length;
    return text_append(text, nothing, COUNT_SIZE) < 0 ? -1 : place;
}

void pack_count_at(struct text *text, ptrdiff_t place, uint32_t count) {
    memcpy(text->bytes + place, &count, COUNT_SIZE);
}

int unpack_byte(struct unpack *from) {
    return from->at < from->end ? *from->at++ : -1;
}

int unpack_size(struct unpack *from, uint64_t *size) {
    *size = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        int byte = unpack_byte(from);
        if (byte < 0 || (shift == 63 && byte > 1)) return -1;
        *size |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return 0;
    }
    return -1;
}

int unpack_fixed(struct unpack *from, void *to, size_t length) {
    if (unpack_left(from) < length) return -1;
    memcpy(to, from->at, length);
    from->at += length;
    return 0;
}

int unpack_count(struct unpack *from, uint32_t *count) {
    return unpack_fixed(from, count, COUNT_SIZE);
}

const char *unpack_run(struct unpack *from, size_t *length) {
    uint64_t size;
    if (unpack_size(from, &size) < 0 || size > unpack_left(from)) return NULL;
    const char *run = (const char *)from->at;
    *length = (size_t)size;
    from->at += size;
    return run;
}
