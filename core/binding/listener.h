/* Listeners in Lua: what is accepted is handed to a protocol (a plain connection with its handler, HTTP).
 * Owner: Lua, and itself while it is open or has connections: then it is anchored in the registry. */
#ifndef PERIGEE_BINDING_LISTENER_H
#define PERIGEE_BINDING_LISTENER_H

#include "binding/activity.h"
#include "io/connection.h"
#include "io/listener.h"
#include "io/transport.h"
#include "system/address.h"

#include <lua.h>

struct listener_object;

struct listener_protocol {
    /* Makes something of an accepted client, and tells by listener_on_connection_ended when that has ended: 0, or -1
     * when it could not: then the stream is still the caller's. */
    int (*accepted)(struct listener_object *listener, const struct stream *stream, const struct endpoint *peer);
    void (*closed)(struct listener_object *listener); /* no more clients will come; NULL: nothing to do */
    /* The same, but its idle clients are to go without harm: within `grace` seconds. NULL: nothing to do. */
    void (*drained)(struct listener_object *listener, double grace);
    /* Reads its own options, in the table at an index, for the clients that come from now on. Raises for what cannot be,
     * and has changed nothing then. */
    void (*replaced)(lua_State *L, struct listener_object *listener, int options);
    void (*freed)(struct listener_object *listener); /* its own memory is to be given back; NULL: it has none */
};

/* Clients whose sessions begin with a TLS handshake. */
struct listener_tls {
    struct tls_object *context; /* NULL: they are plain */
    int anchor;                 /* a reference in the registry */
    float timeout;              /* seconds, of the handshake */
    double second;              /* that the reports are counted in */
    unsigned reports, silenced; /* failed handshakes that were told of in it, and that were not since */
};

struct listener_object {
    struct listener io;
    struct runtime *runtime;
    struct scope *scope;
    const struct listener_protocol *protocol;
    struct endpoint address;
    enum scheme scheme;
    int handler, anchor; /* references in the registry */
    unsigned paused : 1, keep_path : 1;
    unsigned draining : 1; /* it is closed, but idle clients may be left */
    struct connection
        *adopted;    /* the client that is being accepted is this connection, see connection_part; NULL: a new one */
    unsigned active; /* connections whose handlers have not ended */
    struct activity activity;
    unsigned max_connections;
    float timeout; /* seconds, of the connections */
    uint32_t high_water;
    unsigned refused; /* since the last report */
    double reported;
    int error; /* why the last client was refused */
    struct listener_tls tls;
};

struct listener_object *listener_check(lua_State *L); /* argument 1 */
int listener_adopt(lua_State *L);                     /* listener:adopt */
int listener_drain(lua_State *L);                     /* listener:drain */
int listener_await(lua_State *L);                     /* listener:await */
int listener_withdraw(lua_State *L);                  /* listener:withdraw */
int listener_pause_accepting(lua_State *L);           /* listener:pause */
int listener_replace(lua_State *L);                   /* listener:replace */
int listener_duplicate(lua_State *L);                 /* listener:duplicate */
/* Reads the options that every protocol has; the socket's into `options`. Raises for what cannot be. */
void listener_check_options(lua_State *L, int table, struct listener_object *object, struct socket_options *options);
/* Once it is closed and its last connection has ended, nothing refers to the userdata any more. */
void listener_let_go(struct listener_object *object);

/* Hands an accepted client to the protocol. Takes the stream. */
void listener_take(struct listener_object *listener, struct stream *stream, const struct endpoint *peer);
/* The same after a TLS handshake. */
void listener_shake_hands(struct listener_object *listener, struct stream *stream, const struct endpoint *peer);
/* Reads the options tls and handshake_timeout; raises when the scheme does not fit. */
void listener_tls_read(lua_State *L, int table, enum scheme scheme, struct listener_tls *tls);
void listener_tls_release(lua_State *L, struct listener_tls *tls);
int listener_on_handshake_failed(lua_State *L); /* core.listener.on_handshake_failed */

/* A connection has ended, or something that came of one. */
void listener_on_connection_ended(struct listener_object *listener);

/* The names of the options that every protocol has, for support_check_options. */
#define LISTENER_OPTIONS                                                                                               \
    "backlog", "receive_buffer", "send_buffer", "keepalive", "nodelay", "reuseport", "v6only", "max_connections",      \
        "high_water", "paused", "keep_path", "tls", "handshake_timeout"

/* Raises unless the argument at 1 is an address or a descriptor. Its scheme. */
enum scheme listener_check_address(lua_State *L);
/* Arguments at 1 to 3: an address or a descriptor, a handler (checked here), options or nil. Makes a closed listener, at
 * 4, with room for the protocol's own behind it (zeroed, see listener_server). */
struct listener_object *listener_new(lua_State *L, const struct listener_protocol *protocol, size_t server_size);
/* Listens; clients' addresses are shown with the scheme. Pushes the listener, or fails as Lua functions do. */
int listener_listen(lua_State *L, struct listener_object *listener, enum scheme scheme);

/* Could the address at 1 be listened on now? Pushes true, or fails as Lua functions do. */
int listener_probe(lua_State *L, int options);

static inline void *listener_server(struct listener_object *listener) {
    return listener + 1;
}

#endif
