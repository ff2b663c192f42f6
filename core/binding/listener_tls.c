/* Listeners whose clients speak TLS: the handshake before the protocol, and telling of those that fail. */
#include "binding/address.h"
#include "binding/listener.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "binding/tls.h"
#include "io/handshake.h"

static const char ON_FAILED[] = "perigee.on_handshake_failed";

enum { REPORTS_MAX = 10 /* in a second: whoever scans ports is not to fill the log */ };

static const double HANDSHAKE_SECONDS = 10;

struct failed_handshake {
    struct listener_object *listener;
    const struct endpoint *peer;
    const struct tls_failure *failure;
};

static int tell_failed(lua_State *L) {
    struct failed_handshake *failed = lua_touserdata(L, 1);
    struct listener_object *listener = failed->listener;
    if (lua_getfield(L, LUA_REGISTRYINDEX, ON_FAILED) != LUA_TFUNCTION) return 0;
    address_push(L, listener->scheme, &listener->address);
    address_push(L, listener->scheme, failed->peer);
    lua_pushstring(L, failed->failure->text);
    lua_pushinteger(L, listener->tls.silenced);
    listener->tls.silenced = 0;
    lua_call(L, 4, 0);
    return 0;
}

static void report(struct listener_object *listener, const struct endpoint *peer, const struct tls_failure *failure) {
    struct failed_handshake failed = {listener, peer, failure};
    struct listener_tls *tls = &listener->tls;
    double now = listener->runtime->loop.now;
    if (now >= tls->second + 1) {
        tls->second = now;
        tls->reports = 0;
    }
    if (tls->reports++ < REPORTS_MAX) runtime_call(listener->runtime, tell_failed, &failed);
    else tls->silenced++;
}

static void on_handshake(void *owner, const struct stream *stream, const struct endpoint *peer,
                         const struct tls_failure *failure) {
    struct listener_object *listener = owner;
    if (stream) {
        struct stream taken = *stream;
        listener_take(listener, &taken, peer);
    } else {
        report(listener, peer, failure);
        listener_on_connection_ended(listener);
    }
}

void listener_shake_hands(struct listener_object *listener, struct stream *stream, const struct endpoint *peer) {
    const struct listener_tls *tls = &listener->tls;
    if (handshake_start(&listener->runtime->loop, stream->fd, peer, tls->context->context, (double)tls->timeout,
                        on_handshake, listener) == 0)
        return;
    stream->transport->close(stream);
    listener_on_connection_ended(listener);
}

void listener_tls_read(lua_State *L, int table, enum scheme scheme, struct listener_tls *tls) {
    int wanted = scheme == SCHEME_TLS || scheme == SCHEME_HTTPS;
    tls->context = NULL;
    tls->anchor = LUA_NOREF;
    tls->timeout = (float)support_option_seconds(L, table, "handshake_timeout", HANDSHAKE_SECONDS);
    if (!lua_istable(L, table) || lua_getfield(L, table, "tls") == LUA_TNIL) {
        if (wanted) luaL_error(L, "%s:// needs a certificate: option 'tls' is missing", scheme_name(scheme));
        return;
    }
    if (!wanted && scheme != SCHEME_UNIX) luaL_error(L, "option 'tls' is not for %s://", scheme_name(scheme));
    tls->context = tls_check_server(L, -1, "option 'tls'");
    tls->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
}

void listener_tls_release(lua_State *L, struct listener_tls *tls) {
    luaL_unref(L, LUA_REGISTRYINDEX, tls->anchor);
    tls->context = NULL;
    tls->anchor = LUA_NOREF;
}

/* listener.on_handshake_failed(function(address, peer, message, silenced)): told of clients whose handshake failed; of
 * more than ten in a second the next one that is told of says how many */
int listener_on_handshake_failed(lua_State *L) {
    return support_keep_callback(L, ON_FAILED);
}
