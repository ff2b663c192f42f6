/* Queues: jobs that are put, taken, and done. */
#include "binding/durable.h"
#include "binding/support.h"
#include "bytes/pack.h"

#include <math.h>

const char DURABLE_QUEUE[] = "perigee.durable_queue";

enum { FAILED = 1000 /* of a call */, PACKED_MOST = 10 /* bytes of an integer */ };

static const struct durable_space *check_queue(lua_State *L) {
    return luaL_checkudata(L, 1, DURABLE_QUEUE);
}

static int call_write(lua_State *L, const struct durable_method *method, struct durable_operation operation) {
    const struct durable_space *queue = check_queue(L);
    operation.space = queue->number;
    return durable_call_write(L, queue->environment, method, &operation);
}

static int call_read(lua_State *L, const struct durable_method *method, struct durable_operation operation) {
    const struct durable_space *queue = check_queue(L);
    operation.space = queue->number;
    return durable_call_read(L, queue->environment, method, &operation);
}

static uint64_t check_lease(lua_State *L, int argument) {
    luaL_checknumber(L, argument);
    uint64_t milliseconds = durable_check_milliseconds(L, argument, 1);
    luaL_argcheck(L, milliseconds, argument, "a lease has an end");
    return milliseconds;
}

static uint64_t check_delay(lua_State *L, int argument) {
    lua_Number seconds = support_check_seconds(L, argument, 0);
    luaL_argcheck(L, seconds < INFINITY, argument, "a delay has an end");
    return lua_isnoneornil(L, argument) ? 0 : durable_check_milliseconds(L, argument, 0);
}

static uint32_t check_u32(lua_State *L, int argument, lua_Integer otherwise) {
    lua_Integer number = luaL_optinteger(L, argument, otherwise);
    luaL_argcheck(L, number >= 0 && number <= UINT32_MAX, argument, "out of range");
    return (uint32_t)number;
}

/* queue:put(text, delay) -> id */
static int queue_put(lua_State *L) {
    static const struct durable_method method = {"put into", durable_put, NULL, durable_push_count};
    struct span text = durable_check_span(L, 2);
    if (text.length > DURABLE_VALUE_MOST) return durable_fail_long(L, "job", text.length, DURABLE_VALUE_MOST);
    return call_write(L, &method, (struct durable_operation){.value = text, .milliseconds = check_delay(L, 3)});
}

/* A list of the next sizes, or nil when there are none. */
static void push_sizes(lua_State *L, struct unpack *from, uint64_t count) {
    uint64_t size;
    if (!count) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, (int)count, 0);
    for (uint64_t i = 1; i <= count && unpack_size(from, &size) == 0; i++) {
        lua_pushinteger(L, (lua_Integer)size);
        lua_rawseti(L, -2, (lua_Integer)i);
    }
}

static int push_none(lua_State *L, const struct durable_operation *operation, struct unpack *from) {
    lua_pushboolean(L, 0);
    if (operation->count == UINT64_MAX) lua_pushnil(L);
    else lua_pushnumber(L, (lua_Number)operation->count / 1000);
    if (!operation->others[2]) return 2;
    lua_pushnil(L);
    lua_pushnil(L);
    push_sizes(L, from, operation->others[2]);
    return 5;
}

static int push_job(lua_State *L, const struct durable_operation *operation) {
    const unsigned char *bytes = (const unsigned char *)operation->result.bytes;
    struct unpack from = {bytes, bytes + operation->result.length};
    if (!operation->found) return push_none(L, operation, &from);
    push_sizes(L, &from, operation->others[2]);
    lua_pushinteger(L, (lua_Integer)operation->count);
    lua_pushlstring(L, (const char *)from.at, unpack_left(&from));
    lua_pushinteger(L, (lua_Integer)operation->others[0]);
    lua_pushinteger(L, (lua_Integer)operation->others[1]);
    lua_rotate(L, -5, -1);
    return 5;
}

/* queue:take(lease, attempts) -> id, text, deliveries, jobs that wait behind it, failed; or false, the seconds in
 * which there may be one, or nil, nil, nil, failed: the ids of jobs whose leases have ended too often, or nil. One
 * whose taker is cancelled is as if it had not been taken. */
static int queue_take(lua_State *L) {
    static const struct durable_method method = {"take from", durable_take, durable_untake, push_job};
    return call_write(L, &method,
                      (struct durable_operation){.milliseconds = check_lease(L, 2), .most = check_u32(L, 3, 0)});
}

/* The job at 2 and 3: its id, and the deliveries by which its holder is known. */
static struct durable_operation check_held(lua_State *L) {
    return (struct durable_operation){.id = (uint64_t)luaL_checkinteger(L, 2), .deliveries = check_u32(L, 3, -1)};
}

/* queue:done(id, deliveries) -> whether it was its holder's still */
static int queue_done(lua_State *L) {
    static const struct durable_method method = {"take from", durable_done, NULL, durable_push_found};
    return call_write(L, &method, check_held(L));
}

static const struct durable_method release = {"release in", durable_release, NULL, durable_push_found};

static struct durable_operation check_release(lua_State *L) {
    struct durable_operation operation = check_held(L);
    operation.milliseconds = check_delay(L, 4);
    operation.most = check_u32(L, 5, 0);
    return operation;
}

/* queue:release(id, deliveries, delay, attempts) -> whether it was its holder's still */
static int queue_release(lua_State *L) {
    return call_write(L, &release, check_release(L));
}

/* The same without waiting, for what must not wait. */
static int queue_release_soon(lua_State *L) {
    const struct durable_space *queue = check_queue(L);
    struct durable_operation operation = check_release(L);
    operation.space = queue->number;
    durable_call_soon(queue->environment, &release, &operation);
    return 0;
}

/* queue:untake_soon(id, deliveries): as if it had not been taken, without waiting */
static int queue_untake_soon(lua_State *L) {
    static const struct durable_method method = {"release in", durable_untake, NULL, durable_push_found};
    const struct durable_space *queue = check_queue(L);
    struct durable_operation operation = check_held(L);
    operation.space = queue->number;
    durable_call_soon(queue->environment, &method, &operation);
    return 0;
}

/* Packs the integers of the table at 3, in memory on the stack. */
static struct span push_packed(lua_State *L) {
    size_t count = lua_rawlen(L, 3), most = count * PACKED_MOST;
    struct text packed = {.bytes = lua_newuserdatauv(L, most, 0), .capacity = most};
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, 3, (lua_Integer)i);
        pack_size(&packed, (uint64_t)lua_tointeger(L, -1));
        lua_pop(L, 1);
    }
    return (struct span){packed.bytes, packed.length};
}

static int push_lost(lua_State *L, const struct durable_operation *operation) {
    const unsigned char *bytes = (const unsigned char *)operation->result.bytes;
    struct unpack from = {bytes, bytes + operation->result.length};
    uint64_t id;
    lua_newtable(L);
    for (lua_Integer i = 1; unpack_size(&from, &id) == 0; i++) {
        lua_pushinteger(L, (lua_Integer)id);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

/* queue:extend(lease, { id, deliveries, id, deliveries ... }) -> the ids of those that are their holder's no more */
static int queue_extend(lua_State *L) {
    static const struct durable_method method = {"extend a lease in", durable_extend, NULL, push_lost};
    uint64_t lease = check_lease(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    return call_write(L, &method, (struct durable_operation){.milliseconds = lease, .value = push_packed(L)});
}

/* queue:retry(id) -> whether it had failed */
static int queue_retry(lua_State *L) {
    static const struct durable_method method = {"retry in", durable_retry, NULL, durable_push_found};
    return call_write(L, &method, (struct durable_operation){.id = (uint64_t)luaL_checkinteger(L, 2)});
}

static int push_counts(lua_State *L, const struct durable_operation *operation) {
    for (int i = 0; i < 3; i++) lua_pushinteger(L, (lua_Integer)operation->others[i]);
    return 3;
}

/* queue:counts() -> waiting, taken, failed */
static int queue_counts(lua_State *L) {
    static const struct durable_method method = {"look into", durable_counts, NULL, push_counts};
    return call_read(L, &method, (struct durable_operation){0});
}

static void push_failed_job(lua_State *L, struct unpack *from) {
    uint64_t id = 0, deliveries = 0;
    struct span text;
    unpack_size(from, &id);
    unpack_size(from, &deliveries);
    text.bytes = unpack_run(from, &text.length);
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, (lua_Integer)id);
    lua_setfield(L, -2, "id");
    lua_pushinteger(L, (lua_Integer)deliveries);
    lua_setfield(L, -2, "deliveries");
    lua_pushlstring(L, text.bytes, text.length);
    lua_setfield(L, -2, "text");
}

static int push_failed(lua_State *L, const struct durable_operation *operation) {
    const unsigned char *bytes = (const unsigned char *)operation->result.bytes;
    struct unpack from = {bytes, bytes + operation->result.length};
    lua_createtable(L, (int)operation->count, 0);
    for (uint64_t i = 1; i <= operation->count; i++) {
        push_failed_job(L, &from);
        lua_rawseti(L, -2, (lua_Integer)i);
    }
    lua_pushboolean(L, operation->found);
    return 2;
}

/* queue:failed(after) -> list of { id =, text =, deliveries = }, and whether there may be more */
static int queue_failed(lua_State *L) {
    static const struct durable_method method = {"list", durable_failed, NULL, push_failed};
    return call_read(L, &method, (struct durable_operation){.id = (uint64_t)luaL_optinteger(L, 2, 0), .most = FAILED});
}

void durable_queue_open(lua_State *L) {
    static const luaL_Reg methods[] = {{"put", queue_put},
                                       {"take", queue_take},
                                       {"done", queue_done},
                                       {"release", queue_release},
                                       {"release_soon", queue_release_soon},
                                       {"untake_soon", queue_untake_soon},
                                       {"extend", queue_extend},
                                       {"retry", queue_retry},
                                       {"counts", queue_counts},
                                       {"failed", queue_failed},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{NULL, NULL}};
    support_class(L, DURABLE_QUEUE, methods, metamethods);
}
