/* Stores: values by key. */
#include "binding/durable.h"
#include "binding/support.h"
#include "bytes/pack.h"

const char DURABLE_STORE[] = "perigee.durable_store";

enum { KEYS = 1000 /* of a call */, PACKED_LENGTH_MOST = 10 /* bytes in front of a key */ };

static const struct durable_space *check_store(lua_State *L) {
    return luaL_checkudata(L, 1, DURABLE_STORE);
}

/* Whether a key and a value can be kept; else nil, message, code are pushed. */
static int check_lengths(lua_State *L, struct span key, struct span value) {
    if (key.length > DURABLE_KEY_MOST) return durable_fail_long(L, "key", key.length, DURABLE_KEY_MOST), 0;
    if (value.length > DURABLE_VALUE_MOST) return durable_fail_long(L, "value", value.length, DURABLE_VALUE_MOST), 0;
    return 1;
}

static int call_write(lua_State *L, const struct durable_method *method, struct durable_operation operation) {
    const struct durable_space *store = check_store(L);
    operation.space = store->number;
    if (!check_lengths(L, operation.key, operation.value)) return 3;
    return durable_call_write(L, store->environment, method, &operation);
}

static int call_read(lua_State *L, const struct durable_method *method, struct durable_operation operation) {
    const struct durable_space *store = check_store(L);
    operation.space = store->number;
    if (!check_lengths(L, operation.key, operation.value)) return 3;
    return durable_call_read(L, store->environment, method, &operation);
}

static int push_value(lua_State *L, const struct durable_operation *operation) {
    if (operation->found) lua_pushlstring(L, operation->result.bytes, operation->result.length);
    else lua_pushnil(L);
    return 1;
}

/* store:get(key) -> value, or nil */
static int store_get(lua_State *L) {
    static const struct durable_method method = {"get from", durable_get, NULL, push_value};
    return call_read(L, &method, (struct durable_operation){.key = durable_check_span(L, 2)});
}

/* store:exists(key) -> boolean */
static int store_exists(lua_State *L) {
    static const struct durable_method method = {"get from", durable_get, NULL, durable_push_found};
    return call_read(L, &method, (struct durable_operation){.key = durable_check_span(L, 2)});
}

/* store:set(key, value, seconds, absent) -> whether it was */
static int store_set(lua_State *L) {
    static const struct durable_method method = {"set in", durable_set, NULL, durable_push_found};
    return call_write(L, &method,
                      (struct durable_operation){.key = durable_check_span(L, 2),
                                                 .value = durable_check_span(L, 3),
                                                 .milliseconds = durable_check_milliseconds(L, 4, 1),
                                                 .flag = lua_toboolean(L, 5)});
}

/* store:replace(key, old, new, seconds) -> whether it was: the value was `old`; nil: there was none */
static int store_replace(lua_State *L) {
    static const struct durable_method method = {"replace in", durable_replace, NULL, durable_push_found};
    struct span old = {0};
    if (!lua_isnil(L, 3)) old = durable_check_span(L, 3);
    return call_write(L, &method,
                      (struct durable_operation){.key = durable_check_span(L, 2),
                                                 .other = old,
                                                 .value = durable_check_span(L, 4),
                                                 .milliseconds = durable_check_milliseconds(L, 5, 1),
                                                 .flag = !old.bytes});
}

/* Packs the keys at 2 and above, in memory on the stack. A key that is too long is none that there is. */
static struct span push_keys_packed(lua_State *L) {
    int last = lua_gettop(L);
    size_t most = 0;
    for (int i = 2; i <= last; i++) most += durable_check_span(L, i).length + PACKED_LENGTH_MOST;
    struct text keys = {.bytes = lua_newuserdatauv(L, most, 0), .capacity = most};
    for (int i = 2; i <= last; i++) {
        struct span key = durable_check_span(L, i);
        if (key.length <= DURABLE_KEY_MOST) pack_run(&keys, key.bytes, key.length);
    }
    return (struct span){keys.bytes, keys.length};
}

/* store:delete(key, ...) -> how many there were */
static int store_delete(lua_State *L) {
    static const struct durable_method method = {"delete from", durable_delete, NULL, durable_push_count};
    const struct durable_space *store = check_store(L);
    struct durable_operation operation = {.space = store->number, .value = push_keys_packed(L)};
    return durable_call_write(L, store->environment, &method, &operation);
}

/* store:increment(key, by, seconds) -> the number, by which 1 unless told otherwise; one that this makes expires after
 * so many seconds */
static int store_increment(lua_State *L) {
    static const struct durable_method method = {"increment in", durable_increment, NULL, durable_push_count};
    return call_write(L, &method,
                      (struct durable_operation){.key = durable_check_span(L, 2),
                                                 .number = luaL_optinteger(L, 3, 1),
                                                 .milliseconds = durable_check_milliseconds(L, 4, 1)});
}

/* store:expire(key, seconds) -> whether there was one; math.huge: never */
static int store_expire(lua_State *L) {
    static const struct durable_method method = {"set in", durable_expire, NULL, durable_push_found};
    luaL_checknumber(L, 3);
    return call_write(L, &method,
                      (struct durable_operation){.key = durable_check_span(L, 2),
                                                 .milliseconds = durable_check_milliseconds(L, 3, 1)});
}

static void push_run(lua_State *L, struct unpack *from) {
    struct span key;
    key.bytes = unpack_run(from, &key.length);
    lua_pushlstring(L, key.bytes, key.length);
}

static int push_keys(lua_State *L, const struct durable_operation *operation) {
    const unsigned char *bytes = (const unsigned char *)operation->result.bytes;
    struct unpack from = {bytes, bytes + operation->result.length};
    lua_createtable(L, (int)operation->count, 0);
    for (uint64_t i = 1; i <= operation->count; i++) {
        push_run(L, &from);
        lua_rawseti(L, -2, (lua_Integer)i);
    }
    if (operation->found) push_run(L, &from);
    else lua_pushnil(L);
    return 2;
}

/* store:keys(prefix, after) -> list, and the key to go on after; nil: these were the last */
static int store_keys(lua_State *L) {
    static const struct durable_method method = {"list", durable_keys, NULL, push_keys};
    lua_settop(L, 3);
    struct durable_operation operation = {.key = durable_check_span(L, 2), .most = KEYS};
    if (operation.key.length > DURABLE_KEY_MOST) return lua_newtable(L), 1;
    if (!lua_isnil(L, 3)) operation.other = durable_check_span(L, 3);
    luaL_argcheck(L,
                  !operation.other.bytes ||
                      (operation.other.length >= operation.key.length && operation.other.length <= DURABLE_KEY_MOST &&
                       memcmp(operation.other.bytes, operation.key.bytes, operation.key.length) == 0),
                  3, "a key with the prefix expected");
    return call_read(L, &method, operation);
}

void durable_store_open(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"get", store_get},         {"exists", store_exists}, {"set", store_set},
        {"replace", store_replace}, {"delete", store_delete}, {"increment", store_increment},
        {"expire", store_expire},   {"keys", store_keys},     {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{NULL, NULL}};
    support_class(L, DURABLE_STORE, methods, metamethods);
}
