/* Listeners in Lua: what is accepted is handed to a protocol (a plain connection with its handler, HTTP).
 * Owner: Lua, and itself while it is open or has connections: then it is anchored in the registry. */
#ifndef PERIGEE_BINDING_LISTENER_H
#define PERIGEE_BINDING_LISTENER_H

#include "io/listener.h"
#include "system/address.h"

#include <lua.h>

struct listener_object;

struct listener_protocol {
    /* Makes something of an accepted descriptor, and tells by listener_on_connection_ended when that has ended: 0, or
     * -1 when it could not: then fd is still the caller's. */
    int (*accepted)(struct listener_object *listener, int fd, const struct endpoint *peer);
    void (*closed)(struct listener_object *listener); /* no more clients will come; NULL: nothing to do */
    void (*freed)(struct listener_object *listener);  /* its own memory is to be given back; NULL: it has none */
};

struct listener_object {
    struct listener io;
    struct runtime *runtime;
    struct scope *scope;
    const struct listener_protocol *protocol;
    struct endpoint address;
    enum scheme scheme;
    int handler, anchor; /* references in the registry */
    unsigned active;     /* connections whose handlers have not ended */
    unsigned max_connections;
    float timeout; /* seconds, of the connections */
    uint32_t high_water;
    unsigned refused; /* since the last report */
    double reported;
    int error; /* why the last client was refused */
};

/* A connection has ended, or something that came of one. */
void listener_on_connection_ended(struct listener_object *listener);

/* The names of the options that every protocol has, for support_check_options. */
#define LISTENER_OPTIONS                                                                                               \
    "backlog", "receive_buffer", "send_buffer", "keepalive", "nodelay", "reuseport", "v6only", "max_connections",      \
        "high_water"

/* Arguments at 1 to 3: an address, a handler (checked here), options or nil. Makes a closed listener, at 4, with room for
 * the protocol's own behind it (zeroed, see listener_server). */
struct listener_object *listener_new(lua_State *L, const struct listener_protocol *protocol, size_t server_size);
/* Listens; clients' addresses are shown with the scheme. Pushes the listener, or fails as Lua functions do. */
int listener_listen(lua_State *L, struct listener_object *listener, enum scheme scheme);

/* Could the address at 1 be listened on now? Pushes true, or fails as Lua functions do. */
int listener_probe(lua_State *L, int options);

static inline void *listener_server(struct listener_object *listener) {
    return listener + 1;
}

#endif
