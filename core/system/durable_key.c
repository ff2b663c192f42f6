#include "system/durable_private.h"

#include <endian.h>
#include <string.h>

uint32_t read_u32(const void *bytes) {
    uint32_t number;
    memcpy(&number, bytes, sizeof number);
    return be32toh(number);
}

uint64_t read_u64(const void *bytes) {
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
    return be64toh(number);
}

void write_u32(void *bytes, uint32_t number) {
    number = htobe32(number);
    memcpy(bytes, &number, sizeof number);
}

void write_u64(void *bytes, uint64_t number) {
    number = htobe64(number);
    memcpy(bytes, &number, sizeof number);
}

void key_begin(struct durable_key *key, enum durable_kind kind) {
    key->bytes[0] = (unsigned char)kind;
    key->length = 1;
}

void key_add_byte(struct durable_key *key, unsigned byte) {
    key->bytes[key->length++] = (unsigned char)byte;
}

void key_add_u32(struct durable_key *key, uint32_t number) {
    write_u32(key->bytes + key->length, number);
    key->length += sizeof number;
}

void key_add_u64(struct durable_key *key, uint64_t number) {
    write_u64(key->bytes + key->length, number);
    key->length += sizeof number;
}

void key_add_span(struct durable_key *key, struct span span) {
    if (span.length) memcpy(key->bytes + key->length, span.bytes, span.length);
    key->length += span.length;
}
