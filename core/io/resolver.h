/* Names to endpoints, without blocking: c-ares driven by the loop (hosts file and DNS, RFC 6724 order).
 * Owner: the loop's owner, one per loop, started at the first lookup that needs it.
 * Invariant: a lookup's callback is called exactly once, later than resolver_lookup returns, unless it is cancelled. */
#ifndef PERIGEE_IO_RESOLVER_H
#define PERIGEE_IO_RESOLVER_H

#include "system/address.h"

struct ev_loop;
struct resolver;
struct lookup;

/* `endpoints` (count of them, with the port asked for) are borrowed for the call; on failure count is 0 and
 * `reason` says why ("name does not exist", "no answer from the name servers" ...), else NULL. */
typedef void lookup_done(void *context, const struct endpoint *endpoints, size_t count, const char *reason);

struct resolver *resolver_new(struct ev_loop *ev); /* NULL when out of memory */
void resolver_free(struct resolver *resolver);     /* cancels all lookups, without calling them back */

/* "127.0.0.1:5353,[::1]:53": asks these servers instead of the system's; only an IPv4 address may go without a
 * port. Lookups under way are asked again. 0, or -1 when the text is no such list. */
int resolver_set_servers(struct resolver *resolver, const char *servers);

/* family: AF_UNSPEC, AF_INET or AF_INET6. NULL when out of memory (done is not called). */
struct lookup *resolver_lookup(struct resolver *resolver, const char *host, uint16_t port, int family,
                               lookup_done *done, void *context);
void lookup_cancel(struct lookup *lookup); /* done will not be called; the lookup is gone */

#endif
