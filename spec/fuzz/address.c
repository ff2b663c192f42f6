/* Whatever text is taken for an address: written out and read again it is the same address, and so is its endpoint. */
#include "system/address.h"
#include "fuzz.h"

#include <string.h>

static void check_text(const char *text, size_t length) {
    check(length < ADDRESS_TEXT_MAX && text[length] == 0 && strlen(text) == length);
}

/* Into memory of just that size, so that a byte too many is seen. */
static void check_cut(const struct address *address, const char *whole, size_t size) {
    char *text = malloc(size);
    size_t length = address_format(address, text, size);
    check(length < size && text[length] == 0 && !strncmp(text, whole, length));
    free(text);
}

static struct address reread(const char *text, size_t length) {
    struct address address;
    const char *reason = NULL;
    check(address_parse(&address, text, length, &reason) == 0);
    return address;
}

static void check_address(const struct address *address) {
    char text[ADDRESS_TEXT_MAX];
    size_t length = address_format(address, text, sizeof text);
    check_text(text, length);
    check_cut(address, text, length / 2 + 1);
    struct address again = reread(text, length);
    check(again.scheme == address->scheme && again.port == address->port);
    check(!strcmp(again.host, address->host) && !strcmp(again.path, address->path));
}

static void check_packed(const struct endpoint *endpoint) {
    struct packed_endpoint packed;
    struct endpoint unpacked;
    endpoint_pack(endpoint, &packed);
    if (endpoint_unpack(&packed, &unpacked) < 0) {
        check(endpoint->as.any.sa_family == AF_UNIX);
        return;
    }
    if (endpoint->as.any.sa_family == AF_INET6) unpacked.as.v6.sin6_scope_id = endpoint->as.v6.sin6_scope_id;
    check(unpacked.length == endpoint->length && !memcmp(&unpacked.as, &endpoint->as, endpoint->length));
}

static void check_endpoint(const struct endpoint *endpoint, enum scheme scheme) {
    char text[ADDRESS_TEXT_MAX];
    size_t length = endpoint_format(endpoint, scheme, text, sizeof text);
    check_text(text, length);
    struct address address = reread(text, length);
    struct endpoint again;
    check(endpoint_from_address(&again, &address) == 0);
    check(again.length == endpoint->length && !memcmp(&again.as, &endpoint->as, endpoint->length));
    check_packed(endpoint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct address address;
    struct endpoint endpoint;
    const char *reason = NULL;
    if (address_parse(&address, (const char *)data, size, &reason) < 0) {
        check(reason && *reason);
        return 0;
    }
    check_address(&address);
    if (endpoint_from_address(&endpoint, &address) == 0) check_endpoint(&endpoint, address.scheme);
    return 0;
}
