/* From a table of options to a TLS context. */
#include "binding/runtime.h"
#include "binding/support.h"
#include "binding/tls.h"

#include <string.h>

/* The stack while one is made: the options, and the object. Values of options stay on it, which keeps their text. */
enum { MAKE_OPTIONS = 1 };

enum { CERTIFICATES_MAX = 8, PROTOCOLS_SIZE = 512 /* bytes of the list on the wire */ };

static const char *const SERVER_OPTIONS[] = {
    "certificate",   "key",    "password",  "ca",    "verify",         "min_version", "max_version", "ciphers",
    "cipher_suites", "groups", "protocols", "names", "on_server_name", "tickets",     "ocsp",        NULL};
static const char *const CLIENT_OPTIONS[] = {"certificate",   "key",         "password",    "ca",
                                             "verify",        "min_version", "max_version", "ciphers",
                                             "cipher_suites", "groups",      "protocols",   NULL};

static const char *option_string(lua_State *L, const char *name) {
    int type = lua_getfield(L, MAKE_OPTIONS, name);
    if (type != LUA_TNIL && type != LUA_TSTRING) luaL_error(L, "option '%s' must be a string", name);
    return lua_tostring(L, -1);
}

/* A string, or the i-th of a list of strings; NULL when there is none. */
static const char *option_of_list(lua_State *L, const char *name, int i) {
    int type = lua_getfield(L, MAKE_OPTIONS, name);
    if (type == LUA_TTABLE) type = lua_geti(L, -1, i);
    else if (i > 1) return NULL;
    if (type != LUA_TNIL && type != LUA_TSTRING) luaL_error(L, "option '%s' must be a path or a list of paths", name);
    return lua_tostring(L, -1);
}

static int read_certificates(lua_State *L, struct tls_context *context, struct tls_failure *failure) {
    const char *password = option_string(L, "password"), *chain;
    for (int i = 1; (chain = option_of_list(L, "certificate", i)); i++) {
        if (i > CERTIFICATES_MAX) return luaL_error(L, "option 'certificate' has more than %d", CERTIFICATES_MAX);
        const char *key = option_of_list(L, "key", i);
        if (tls_context_certificate(context, chain, key ? key : chain, password, failure) < 0) return -1;
    }
    return 0;
}

static enum tls_verify option_verify(lua_State *L, int is_server, int has_authority) {
    static const char *const names[] = {"none", "optional", "required", NULL};
    switch (lua_getfield(L, MAKE_OPTIONS, "verify")) {
    case LUA_TNIL: return !is_server || has_authority ? TLS_VERIFY_REQUIRED : TLS_VERIFY_NONE;
    case LUA_TBOOLEAN: return lua_toboolean(L, -1) ? TLS_VERIFY_REQUIRED : TLS_VERIFY_NONE;
    default: break;
    }
    for (int i = 0; names[i] && lua_isstring(L, -1); i++)
        if (strcmp(lua_tostring(L, -1), names[i]) == 0) return (enum tls_verify)i;
    return (enum tls_verify)luaL_error(L, "option 'verify' must be true, false, 'required', 'optional' or 'none'");
}

/* Whom the peer's certificate must come from. */
static int read_trust(lua_State *L, const struct tls_object *object, struct tls_context *context,
                      struct tls_failure *failure) {
    const char *authority = option_string(L, "ca");
    enum tls_verify verify = option_verify(L, object->is_server, authority != NULL);
    tls_context_verify(context, verify);
    if (authority) return tls_context_trust(context, authority, failure);
    if (object->is_server && verify != TLS_VERIFY_NONE)
        return luaL_error(L, "option 'verify' needs 'ca': whose certificates a client may show");
    return object->is_server ? 0 : tls_context_trust(context, NULL, failure);
}

static int option_version(lua_State *L, const char *name, int otherwise) {
    const char *text = option_string(L, name);
    if (!text) return otherwise;
    if (strcmp(text, "1.2") == 0) return 12;
    if (strcmp(text, "1.3") == 0) return 13;
    return luaL_error(L, "option '%s' must be '1.2' or '1.3'", name);
}

static int read_versions(lua_State *L, struct tls_context *context, struct tls_failure *failure) {
    int lowest = option_version(L, "min_version", 12), highest = option_version(L, "max_version", 13);
    if (lowest > highest) return luaL_error(L, "option 'min_version' is above 'max_version'");
    if (tls_context_versions(context, lowest, highest, failure) < 0) return -1;
    return tls_context_ciphers(context, option_string(L, "ciphers"), option_string(L, "cipher_suites"),
                               option_string(L, "groups"), failure);
}

static void append_protocol(lua_State *L, unsigned char *wire, size_t room, size_t *used) {
    size_t length = 0;
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
    if (!length || length > 255) luaL_error(L, "option 'protocols' must be a list of names of 1 to 255 bytes");
    if (*used + 1 + length > room) luaL_error(L, "option 'protocols' is too long");
    wire[(*used)++] = (unsigned char)length;
    memcpy(wire + *used, name, length);
    *used += length;
    lua_pop(L, 1);
}

/* Each name with its length before it, RFC 7301 3.1. */
static int read_protocols(lua_State *L, struct tls_context *context, struct tls_failure *failure) {
    unsigned char wire[PROTOCOLS_SIZE];
    size_t used = 0;
    int type = lua_getfield(L, MAKE_OPTIONS, "protocols");
    if (type == LUA_TNIL) return 0;
    if (type != LUA_TTABLE) return luaL_error(L, "option 'protocols' must be a list of names");
    for (lua_Integer i = 1, count = luaL_len(L, -1); i <= count; i++) {
        lua_geti(L, -1, i);
        append_protocol(L, wire, sizeof wire, &used);
    }
    return used ? tls_context_protocols(context, wire, used, failure) : 0;
}

static int read_staple(lua_State *L, struct tls_context *context, struct tls_failure *failure) {
    const char *path = option_string(L, "ocsp");
    return path ? tls_context_staple(context, path, failure) : 0;
}

/* Names of servers. */

static int read_names(lua_State *L, struct tls_context *context) {
    int type = lua_getfield(L, MAKE_OPTIONS, "names");
    if (type == LUA_TNIL) return 0;
    if (type != LUA_TTABLE) return luaL_error(L, "option 'names' must be a table of contexts by name");
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        if (lua_type(L, -2) != LUA_TSTRING) return luaL_error(L, "option 'names' must be a table of contexts by name");
        const struct tls_object *other = tls_check_server(L, -1, "what option 'names' names");
        if (tls_context_add_name(context, lua_tostring(L, -2), other->context) < 0)
            return luaL_error(L, "not enough memory");
        lua_pop(L, 1);
    }
    return 0;
}

struct question {
    struct tls_object *object;
    const char *name;
    struct tls_context *answer;
    int refused;
};

/* false refuses the name, nil is for the context's own certificate. */
static int ask_for_context(lua_State *L) {
    struct question *question = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, question->object->choose);
    lua_pushstring(L, question->name);
    lua_call(L, 1, 1);
    question->refused = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
    if (lua_toboolean(L, -1)) question->answer = tls_check_server(L, -1, "what on_server_name returns")->context;
    return 0;
}

static struct tls_context *on_choose(void *owner, const char *name, int *refused) {
    struct question question = {owner, name, NULL, 0};
    if (runtime_call(question.object->runtime, ask_for_context, &question) < 0) question.refused = 1;
    *refused = question.refused;
    return question.answer;
}

static void read_choose(lua_State *L, struct tls_object *object, struct tls_context *context) {
    int type = lua_getfield(L, MAKE_OPTIONS, "on_server_name");
    if (type == LUA_TNIL) return;
    if (type != LUA_TFUNCTION) luaL_error(L, "option 'on_server_name' must be a function");
    luaL_unref(L, LUA_REGISTRYINDEX, object->choose);
    object->choose = luaL_ref(L, LUA_REGISTRYINDEX);
    tls_context_choose(context, on_choose, object);
}

/* What all contexts have, then what only a server's has. */
static int read_options(lua_State *L, struct tls_object *object, struct tls_failure *failure) {
    struct tls_context *context = object->making;
    if (read_versions(L, context, failure) < 0 || read_certificates(L, context, failure) < 0) return -1;
    if (read_trust(L, object, context, failure) < 0 || read_protocols(L, context, failure) < 0) return -1;
    if (!object->is_server) return 0;
    read_names(L, context);
    read_choose(L, object, context);
    return read_staple(L, context, failure);
}

static void check_certificate(lua_State *L, int is_server) {
    int has_certificate = option_of_list(L, "certificate", 1) != NULL;
    if (is_server && !has_certificate) luaL_error(L, "option 'certificate' is missing: the path of a PEM file");
    if (!has_certificate && lua_getfield(L, MAKE_OPTIONS, "key") != LUA_TNIL)
        luaL_error(L, "option 'key' needs 'certificate', which it belongs to");
}

int tls_object_make(lua_State *L, struct tls_object *object, struct tls_failure *failure) {
    support_check_options(L, MAKE_OPTIONS, object->is_server ? SERVER_OPTIONS : CLIENT_OPTIONS);
    check_certificate(L, object->is_server);
    int resumes = object->is_server && support_option_boolean(L, MAKE_OPTIONS, "tickets", 1);
    luaL_checkstack(L, 64, "too many options");
    tls_object_forget(object);
    object->making = tls_context_new(object->is_server, resumes ? tls_tickets_of(L) : NULL, failure);
    if (!object->making || read_options(L, object, failure) < 0) return tls_object_forget(object), -1;
    tls_context_seal(object->making);
    if (object->context) tls_context_drop(object->context);
    object->context = object->making;
    object->making = NULL;
    return 0;
}

void tls_object_forget(struct tls_object *object) {
    if (object->making) tls_context_drop(object->making);
    object->making = NULL;
}
