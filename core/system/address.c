#include "system/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PORT_REQUIRED = -1, PORT_MAX = 65535 };

static const struct {
    const char *name;
    int default_port;
} schemes[] = {
    [SCHEME_TCP] = {"tcp", PORT_REQUIRED}, [SCHEME_TLS] = {"tls", PORT_REQUIRED}, [SCHEME_UDP] = {"udp", PORT_REQUIRED},
    [SCHEME_HTTP] = {"http", 80},          [SCHEME_HTTPS] = {"https", 443},       [SCHEME_UNIX] = {"unix", 0},
};

enum { SCHEME_COUNT = sizeof schemes / sizeof *schemes };

/* A part of the text being parsed. The parse_ and check_ functions below return what is wrong, or NULL. */
struct piece {
    const char *text;
    size_t length;
};

static struct piece piece_from(struct piece piece, size_t start) {
    return (struct piece){piece.text + start, piece.length - start};
}

/* Bytes before the first of `stops`; all of them when there is none. */
static size_t piece_span(struct piece piece, const char *stops) {
    size_t i = 0;
    while (i < piece.length && !strchr(stops, piece.text[i])) i++;
    return i;
}

/* Not isalnum(3) and isdigit(3), which ask the locale. */
static const char digits[] = "0123456789";
static const char name_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

static const char *scheme_parse(enum scheme *scheme, struct piece name) {
    for (size_t i = 0; i < SCHEME_COUNT; i++) {
        if (strlen(schemes[i].name) != name.length) continue;
        if (strncasecmp(schemes[i].name, name.text, name.length)) continue; /* RFC 3986 3.1: any case */
        *scheme = (enum scheme)i;
        return NULL;
    }
    return "the scheme is unknown: use tcp, tls, udp, http, https or unix";
}

/* Leaves in *rest what follows "tcp://" or "unix:". */
static const char *parse_scheme(struct address *address, struct piece *rest) {
    struct piece name = {rest->text, piece_span(*rest, ":")};
    struct piece after = piece_from(*rest, name.length);
    int slashes = after.length >= 3 && !memcmp(after.text, "://", 3);
    const char *wrong = scheme_parse(&address->scheme, name);
    if (!after.length || !name.length || (wrong && !slashes)) /* "localhost:80" has a colon, but no scheme */
        return "the scheme is missing: start with tcp://, tls://, udp://, http://, https:// or unix:";
    if (wrong) return wrong;
    if (address->scheme != SCHEME_UNIX && !slashes) return "the scheme is not followed by ://";
    *rest = piece_from(after, address->scheme == SCHEME_UNIX ? 1 : 3);
    return NULL;
}

/* Spaces are allowed: file names have them, and nothing is percent-decoded here. Of several slashes one is
 * kept, since "unix://x" could not be read back. */
static const char *parse_path(struct address *address, struct piece path) {
    size_t slashes = 0;
    while (slashes < path.length && path.text[slashes] == '/') slashes++;
    if (slashes == 2) return "after unix:// comes an absolute path: write unix:///path, unix:relative or unix:@name";
    if (slashes > 2) path = piece_from(path, slashes - 1);
    if (!path.length) return "the path is missing after unix:";
    if (path.length == 1 && path.text[0] == '@') return "the abstract name is missing after unix:@";
    if (path.length > ADDRESS_PATH_MAX) return "the path is longer than the 107 bytes a Unix socket can have";
    memcpy(address->path, path.text, path.length);
    return NULL;
}

static const char *parse_port(struct address *address, struct piece port) {
    unsigned value = 0;
    if (!port.length) return "the port is missing after the colon";
    for (size_t i = 0; i < port.length; i++) {
        if (!memchr(digits, port.text[i], sizeof digits - 1)) return "the port is not a number between 0 and 65535";
        value = value * 10 + (unsigned)(port.text[i] - '0');
        if (value > PORT_MAX) return "the port is not between 0 and 65535";
    }
    address->port = (uint16_t)value;
    return NULL;
}

/* RFC 1123 2.1: a name whose last label is a number can only be meant as an IPv4 address. */
static const char *check_numbers(const char *host) {
    struct in_addr ignored;
    const char *dot = strrchr(host, '.');
    const char *last = dot ? dot + 1 : host;
    if (!*last || last[strspn(last, digits)]) return NULL;
    if (inet_pton(AF_INET, host, &ignored) == 1) return NULL;
    return "the host looks like an IPv4 address, but is none";
}

static const char *check_name(const char *host) {
    if (!strcmp(host, "*")) return NULL;
    if (host[strspn(host, name_characters)]) return "the host contains a character that no host name has";
    return check_numbers(host);
}

/* RFC 4007 11: "fe80::1%eth0". Whether the interface exists is seen when the address is used. */
static int literal_v6(const char *host, struct in6_addr *address, const char **zone) {
    char number[INET6_ADDRSTRLEN];
    size_t length = strcspn(host, "%");
    if (length >= sizeof number) return 0;
    memcpy(number, host, length);
    number[length] = 0;
    *zone = host[length] ? host + length + 1 : NULL;
    return inet_pton(AF_INET6, number, address) == 1;
}

static const char *check_literal(const char *host) {
    struct in6_addr ignored;
    const char *zone;
    if (!literal_v6(host, &ignored, &zone)) return "the text in brackets is not an IPv6 address";
    if (!zone) return NULL;
    size_t length = strlen(zone);
    if (!length || length >= IF_NAMESIZE || zone[strcspn(zone, " \t\r\n")])
        return "the text after % is not the name of a network interface";
    return NULL;
}

static const char *parse_host(struct address *address, struct piece host, int bracketed) {
    if (!host.length) return "the host is missing: write * for every IPv4 address or [::] for every address";
    if (host.length > ADDRESS_HOST_MAX) return "the host is longer than 253 bytes";
    memcpy(address->host, host.text, host.length);
    return bracketed ? check_literal(address->host) : check_name(address->host);
}

/* `after` is what follows the host: nothing, or a colon and the port. */
static const char *parse_after_host(struct address *address, struct piece after) {
    int default_port = schemes[address->scheme].default_port;
    if (after.length && after.text[0] == ':') return parse_port(address, piece_from(after, 1));
    if (after.length) return "the ] is not followed by a colon and the port";
    if (default_port == PORT_REQUIRED) return "the port is missing: add a colon and a number";
    address->port = (uint16_t)default_port;
    return NULL;
}

static const char *parse_host_port(struct address *address, struct piece text) {
    int bracketed = text.length && text.text[0] == '[';
    struct piece host = bracketed ? piece_from(text, 1) : text;
    host.length = piece_span(host, bracketed ? "]" : ":");
    size_t used = host.length + (bracketed ? 2 : 0);
    if (used > text.length) return "the bracket [ is not closed";
    struct piece after = piece_from(text, used);
    if (!bracketed && after.length && memchr(after.text + 1, ':', after.length - 1))
        return "an IPv6 address is written in brackets, as in [::1]";
    const char *wrong = parse_host(address, host, bracketed);
    return wrong ? wrong : parse_after_host(address, after);
}

static const char *parse_authority(struct address *address, struct piece text) {
    struct piece authority = {text.text, piece_span(text, "/?#")};
    struct piece tail = piece_from(text, authority.length);
    int http = address->scheme == SCHEME_HTTP || address->scheme == SCHEME_HTTPS;
    if (tail.length && !http) return "nothing may follow the port, no path and no query";
    if (tail.length && (tail.length > 1 || tail.text[0] != '/'))
        return "only one / may follow the host and port, no path and no query";
    if (piece_span(authority, "@") < authority.length) return "user names are no part of an address";
    return parse_host_port(address, authority);
}

static const char *parse_address(struct address *address, struct piece text) {
    if (memchr(text.text, 0, text.length)) return "the address contains a NUL byte";
    const char *wrong = parse_scheme(address, &text);
    if (wrong) return wrong;
    return address->scheme == SCHEME_UNIX ? parse_path(address, text) : parse_authority(address, text);
}

int address_parse(struct address *address, const char *text, size_t length, const char **reason) {
    memset(address, 0, sizeof *address);
    const char *wrong = parse_address(address, (struct piece){text, length});
    if (!wrong) return 0;
    *reason = wrong;
    return -1;
}

static int endpoint_fill_local(struct endpoint *endpoint, const char *path) {
    size_t length = strlen(path);
    endpoint->as.local.sun_family = AF_UNIX;
    memcpy(endpoint->as.local.sun_path, path, length);
    int abstract = path[0] == '@'; /* the name then starts with a NUL and ends with the length, unix(7) */
    if (abstract) endpoint->as.local.sun_path[0] = 0;
    endpoint->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
    return 0;
}

static int endpoint_fill_v4(struct endpoint *endpoint, const char *host, uint16_t port) {
    if (inet_pton(AF_INET, strcmp(host, "*") ? host : "0.0.0.0", &endpoint->as.v4.sin_addr) != 1) return -1;
    endpoint->as.v4.sin_family = AF_INET;
    endpoint->as.v4.sin_port = htons(port);
    endpoint->length = sizeof endpoint->as.v4;
    return 0;
}

/* An interface that is gone may still be written as its number, as endpoint_host does. */
static unsigned zone_index(const char *zone) {
    unsigned index = if_nametoindex(zone);
    if (!index && !zone[strspn(zone, digits)]) index = (unsigned)strtoul(zone, NULL, 10);
    return index;
}

static int endpoint_fill_v6(struct endpoint *endpoint, const char *host, uint16_t port) {
    const char *zone;
    if (!literal_v6(host, &endpoint->as.v6.sin6_addr, &zone)) return -1;
    if (zone) endpoint->as.v6.sin6_scope_id = zone_index(zone);
    if (zone && !endpoint->as.v6.sin6_scope_id) return -1;
    endpoint->as.v6.sin6_family = AF_INET6;
    endpoint->as.v6.sin6_port = htons(port);
    endpoint->length = sizeof endpoint->as.v6;
    return 0;
}

int endpoint_from_address(struct endpoint *endpoint, const struct address *address) {
    memset(endpoint, 0, sizeof *endpoint);
    if (address->scheme == SCHEME_UNIX) return endpoint_fill_local(endpoint, address->path);
    if (!endpoint_fill_v4(endpoint, address->host, address->port)) return 0;
    return endpoint_fill_v6(endpoint, address->host, address->port);
}

/* snprintf(3) tells the length it would have liked; this is what it wrote. */
int scheme_is_tls(enum scheme scheme) {
    return scheme == SCHEME_TLS || scheme == SCHEME_HTTPS;
}

int scheme_is_datagram(enum scheme scheme) {
    return scheme == SCHEME_UDP;
}

const char *scheme_name(enum scheme scheme) {
    return schemes[scheme].name;
}
