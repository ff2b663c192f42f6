/* Addresses and endpoints as text, and endpoints in little room. */
#include "system/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static size_t text_cut(int written, size_t size) {
    if (written < 0 || !size) return 0;
    return (size_t)written < size ? (size_t)written : size - 1;
}

static size_t format_url(enum scheme scheme, const char *host, unsigned port, char *text, size_t size) {
    const char *format = strchr(host, ':') ? "%s://[%s]:%u" : "%s://%s:%u";
    return text_cut(snprintf(text, size, format, scheme_name(scheme), host, port), size);
}

size_t address_format(const struct address *address, char *text, size_t size) {
    if (address->scheme == SCHEME_UNIX) return text_cut(snprintf(text, size, "unix:%s", address->path), size);
    return format_url(address->scheme, address->host, address->port, text, size);
}

/* A path ends at its NUL or with the length, unix(7). An abstract name's NULs become '@'. */
static size_t format_path(const struct endpoint *endpoint, char *text, size_t size) {
    char path[sizeof endpoint->as.local.sun_path + 1] = "";
    size_t before = offsetof(struct sockaddr_un, sun_path);
    size_t length = endpoint->length > before ? endpoint->length - before : 0;
    if (length >= sizeof path) length = sizeof path - 1;
    memcpy(path, endpoint->as.local.sun_path, length);
    int abstract = length && !path[0];
    for (size_t i = 0; abstract && i < length; i++)
        if (!path[i]) path[i] = '@';
    return text_cut(snprintf(text, size, "%s", path), size);
}

static size_t format_v6(const struct sockaddr_in6 *v6, char *text, size_t size) {
    char number[INET6_ADDRSTRLEN] = "", zone[IF_NAMESIZE] = "";
    inet_ntop(AF_INET6, &v6->sin6_addr, number, sizeof number);
    if (!v6->sin6_scope_id) return text_cut(snprintf(text, size, "%s", number), size);
    if (!if_indextoname(v6->sin6_scope_id, zone)) snprintf(zone, sizeof zone, "%u", v6->sin6_scope_id);
    return text_cut(snprintf(text, size, "%s%%%s", number, zone), size);
}

size_t endpoint_host(const struct endpoint *endpoint, char *text, size_t size) {
    char number[INET_ADDRSTRLEN] = "";
    if (endpoint->as.any.sa_family == AF_UNIX) return format_path(endpoint, text, size);
    if (endpoint->as.any.sa_family == AF_INET6) return format_v6(&endpoint->as.v6, text, size);
    if (endpoint->as.any.sa_family == AF_INET) inet_ntop(AF_INET, &endpoint->as.v4.sin_addr, number, sizeof number);
    return text_cut(snprintf(text, size, "%s", number), size);
}

uint16_t endpoint_port(const struct endpoint *endpoint) {
    if (endpoint->as.any.sa_family == AF_INET) return ntohs(endpoint->as.v4.sin_port);
    if (endpoint->as.any.sa_family == AF_INET6) return ntohs(endpoint->as.v6.sin6_port);
    return 0;
}

size_t endpoint_format(const struct endpoint *endpoint, enum scheme scheme, char *text, size_t size) {
    char host[ADDRESS_TEXT_MAX];
    endpoint_host(endpoint, host, sizeof host);
    if (endpoint->as.any.sa_family == AF_UNIX) return text_cut(snprintf(text, size, "unix:%s", host), size);
    return format_url(scheme, host, endpoint_port(endpoint), text, size);
}

void endpoint_pack(const struct endpoint *endpoint, struct packed_endpoint *packed) {
    memset(packed, 0, sizeof *packed);
    if (endpoint->as.any.sa_family == AF_INET) {
        memcpy(packed->host, &endpoint->as.v4.sin_addr, sizeof endpoint->as.v4.sin_addr);
        packed->port = endpoint->as.v4.sin_port;
        packed->family = AF_INET;
    } else if (endpoint->as.any.sa_family == AF_INET6) {
        memcpy(packed->host, &endpoint->as.v6.sin6_addr, sizeof packed->host);
        packed->port = endpoint->as.v6.sin6_port;
        packed->family = AF_INET6;
    }
}

int endpoint_unpack(const struct packed_endpoint *packed, struct endpoint *endpoint) {
    memset(endpoint, 0, sizeof *endpoint);
    endpoint->as.any.sa_family = packed->family;
    if (packed->family == AF_INET) {
        endpoint->length = sizeof endpoint->as.v4;
        memcpy(&endpoint->as.v4.sin_addr, packed->host, sizeof endpoint->as.v4.sin_addr);
        endpoint->as.v4.sin_port = packed->port;
        return 0;
    }
    endpoint->length = sizeof endpoint->as.v6;
    memcpy(&endpoint->as.v6.sin6_addr, packed->host, sizeof packed->host);
    endpoint->as.v6.sin6_port = packed->port;
    return packed->family == AF_INET6 ? 0 : -1;
}
