/* Addresses as users write them, and endpoints as the kernel takes them.
 * An address is a parsed URL (RFC 3986 authority): tcp:// tls:// udp:// http:// https:// and unix:.
 * An endpoint is a socket address with its length. Both live in the caller's memory; neither owns anything. */
#ifndef PERIGEE_SYSTEM_ADDRESS_H
#define PERIGEE_SYSTEM_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum scheme { SCHEME_TCP, SCHEME_TLS, SCHEME_UDP, SCHEME_HTTP, SCHEME_HTTPS, SCHEME_UNIX };

enum {
    ADDRESS_HOST_MAX = 253,                                           /* bytes of a DNS name, RFC 1035 2.3.4 */
    ADDRESS_PATH_MAX = sizeof((struct sockaddr_un *)0)->sun_path - 1, /* bytes of a Unix socket's path */
    ADDRESS_TEXT_MAX = 320 /* room for every formatted address, NUL included */
};

struct address {
    enum scheme scheme;
    uint16_t port;                   /* 0 for unix: and for "any free port" */
    char host[ADDRESS_HOST_MAX + 1]; /* name or literal without brackets; empty for unix: */
    char path[ADDRESS_PATH_MAX + 1]; /* unix: only; a leading '@' is the abstract namespace, unix(7) */
};

struct endpoint {
    socklen_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } as;
};

/* An IP endpoint in little room, for those who keep many: without the scope of a link-local address. */
struct packed_endpoint {
    uint8_t family; /* 0: none */
    uint8_t host[16];
    uint16_t port; /* network byte order */
};

void endpoint_pack(const struct endpoint *endpoint, struct packed_endpoint *packed);  /* family 0 when it is no IP */
int endpoint_unpack(const struct packed_endpoint *packed, struct endpoint *endpoint); /* 0, or -1: there is none */

/* Parses `text`. Returns 0, or -1 with *reason pointing to a static sentence that names what is wrong. */
int address_parse(struct address *address, const char *text, size_t length, const char **reason);

/* Fills an endpoint from an address whose host is a literal ("127.0.0.1", "::1", "fe80::1%eth0"; "*" is
 * 0.0.0.0) or a Unix path. Returns 0, or -1 when the host is a name and needs a resolver. */
int endpoint_from_address(struct endpoint *endpoint, const struct address *address);

/* "tcp://127.0.0.1:7000", "udp://[::1]:53", "unix:/run/x", "unix:@name", "unix:" for an unnamed socket. They
 * return the length of the text, which is cut to fit in `size` and ends with a NUL. */
size_t address_format(const struct address *address, char *text, size_t size);
size_t endpoint_format(const struct endpoint *endpoint, enum scheme scheme, char *text, size_t size);

/* The host alone, "127.0.0.1" or "::1" (the path of a Unix socket), and the port (0 for Unix). */
size_t endpoint_host(const struct endpoint *endpoint, char *text, size_t size);
uint16_t endpoint_port(const struct endpoint *endpoint);

int scheme_is_datagram(enum scheme scheme); /* udp */
int scheme_is_tls(enum scheme scheme);      /* tls and https */
const char *scheme_name(enum scheme scheme);

#endif
