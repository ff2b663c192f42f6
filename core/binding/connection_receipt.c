/* conn:receive_fd(options) -> object. What has come is held by a receipt, so that nothing is lost when the task is cancelled
 * or memory runs out. */
#include "binding/connection_descriptors.h"
#include "binding/connection_wait.h"
#include "binding/descriptor.h"
#include "binding/modules.h"
#include "binding/support.h"
#include "io/passing.h"

#include <stdlib.h>
#include <unistd.h>

static const char CLASS[] = "perigee.receipt", RECEIVING[] = "receive a descriptor from";

enum { RECEIVE_CONNECTION = 1, RECEIVE_OPTIONS, RECEIVE_RECEIPT, RECEIVE_UNTIL };

struct receipt {
    struct passed passed;
    unsigned char length[UNREAD_LENGTH_BYTES];
    unsigned char *bytes; /* those that go along; NULL: not yet known how many */
    size_t count, done;   /* done counts the length's bytes, too */
};

static void receipt_drop(struct receipt *receipt) {
    if (receipt->passed.fd >= 0) close(receipt->passed.fd);
    receipt->passed.fd = -1;
    free(receipt->bytes);
    receipt->bytes = NULL;
}

static int receipt_gc(lua_State *L) {
    receipt_drop(luaL_checkudata(L, 1, CLASS));
    return 0;
}

/* Are the options those of receiving? Whether the unread bytes come along. */
static int check_options(lua_State *L) {
    static const char *const names[] = {"unread", "raw", NULL};
    support_check_options(L, RECEIVE_OPTIONS, names);
    return support_option_boolean(L, RECEIVE_OPTIONS, "unread", 0);
}

static int give_up(lua_State *L, struct receipt *receipt, struct connection_object *connection, int failure) {
    receipt_drop(receipt);
    return connection_fail(L, connection, RECEIVING, failure);
}

static int fail_protocol(lua_State *L, struct receipt *receipt, const char *code, const char *what, int count) {
    receipt_drop(receipt);
    lua_getfield(L, RECEIVE_CONNECTION, "peer");
    const char *peer = luaL_tolstring(L, -1, NULL);
    lua_pushfstring(L, what, count);
    return support_fail(L, code, "%s %s: %s", RECEIVING, peer, lua_tostring(L, -1));
}

/* What is wrong with the message: 0, or the results of failing. */
static int fail_passed(lua_State *L, struct receipt *receipt) {
    const struct passed *passed = &receipt->passed;
    if (passed->count == DESCRIPTOR_LOST)
        return fail_protocol(L, receipt, "limit", "it is lost: this process has as many descriptors as it may have", 0);
    if (passed->count == 0)
        return fail_protocol(L, receipt, "protocol", "a byte of value %d came without one", passed->byte);
    if (passed->count > 1)
        return fail_protocol(L, receipt, "protocol", "%d came in one message, where one is taken; all are closed",
                             passed->count);
    if (passed->byte != 1)
        return fail_protocol(L, receipt, "protocol", "one came, but the byte with it counts %d", passed->byte);
    return 0;
}

static int receive_step(lua_State *L, int resumed, lua_KContext context);

static int wait_for_input(lua_State *L, struct connection_object *connection) {
    return connection_park_reader(L, connection, lua_tonumber(L, RECEIVE_UNTIL), 0, receive_step);
}

static int is_stream(enum descriptor_kind kind) {
    return kind == DESCRIPTOR_CONNECTION || kind == DESCRIPTOR_PIPE;
}

static int finish(lua_State *L, struct receipt *receipt) {
    if (receipt->count && !is_stream(descriptor_kind(receipt->passed.fd)))
        return fail_protocol(L, receipt, "protocol", "%d unread bytes came with what is no connection",
                             (int)receipt->count);
    if (support_option_boolean(L, RECEIVE_OPTIONS, "raw", 0)) return descriptor_push_raw(L, &receipt->passed.fd);
    descriptor_push(L, &receipt->passed.fd);
    if (receipt->count && connection_preload(&connection_check(L, -1)->io, receipt->bytes, receipt->count) < 0)
        return luaL_error(L, "not enough memory");
    receipt_drop(receipt);
    return 1;
}

/* The length has come: 0, or the results of failing. */
static int make_room(lua_State *L, struct receipt *receipt) {
    const unsigned char *length = receipt->length;
    receipt->count = (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3];
    if (receipt->count > UNREAD_MAX)
        return fail_protocol(L, receipt, "limit", "more than %d unread bytes are announced", UNREAD_MAX);
    receipt->bytes = malloc(receipt->count + 1);
    return receipt->bytes ? 0 : luaL_error(L, "not enough memory");
}

/* Reads no byte too many: the next one may bring a descriptor. */
static enum io_status receive_unread(struct connection *connection, struct receipt *receipt) {
    size_t received = 0, done = receipt->done;
    unsigned char *target = receipt->bytes ? receipt->bytes + (done - UNREAD_LENGTH_BYTES) : receipt->length + done;
    size_t room = UNREAD_LENGTH_BYTES + (receipt->bytes ? receipt->count : 0) - done;
    enum io_status status = connection_receive(connection, target, room, &received);
    receipt->done += received;
    return status;
}

static int unread_step(lua_State *L, struct connection_object *connection, struct receipt *receipt) {
    for (;;) {
        int failed = 0;
        if (!receipt->bytes && receipt->done == UNREAD_LENGTH_BYTES) failed = make_room(L, receipt);
        if (failed) return failed;
        if (receipt->bytes && receipt->done == UNREAD_LENGTH_BYTES + receipt->count) return finish(L, receipt);
        enum io_status status = connection->io.open ? receive_unread(&connection->io, receipt) : IO_BROKEN;
        if (status == IO_WAIT) return wait_for_input(L, connection);
        if (status != IO_DONE) return give_up(L, receipt, connection, connection_failure(connection, status));
    }
}

static int receive_step(lua_State *L, int resumed, lua_KContext context) {
    struct connection_object *connection = connection_check(L, RECEIVE_CONNECTION);
    struct receipt *receipt = luaL_checkudata(L, RECEIVE_RECEIPT, CLASS);
    (void)context;
    if (resumed == LUA_YIELD && task_woken(L)) return give_up(L, receipt, connection, FAILURE_TIMEOUT);
    if (!connection->io.open) return give_up(L, receipt, connection, FAILURE_OURS);
    if (receipt->passed.fd >= 0) return unread_step(L, connection, receipt);
    size_t pending = connection_pending(&connection->io);
    if (pending)
        return fail_protocol(L, receipt, "protocol", "%d bytes before it have been read and not consumed",
                             (int)pending);
    enum io_status status = passing_receive(&connection->io, &receipt->passed);
    if (status == IO_WAIT) return wait_for_input(L, connection);
    if (status != IO_DONE) return give_up(L, receipt, connection, connection_failure(connection, status));
    int failed = fail_passed(L, receipt);
    if (failed) return failed;
    if (!check_options(L)) return finish(L, receipt);
    lua_pushnumber(L, connection_time_limit(L, connection));
    lua_replace(L, RECEIVE_UNTIL);
    return unread_step(L, connection, receipt);
}

int connection_receive_fd(lua_State *L) {
    struct connection_object *connection = connection_check(L, RECEIVE_CONNECTION);
    lua_settop(L, RECEIVE_OPTIONS);
    int unread = check_options(L);
    luaL_argcheck(L, !unread || !support_option_boolean(L, RECEIVE_OPTIONS, "raw", 0), RECEIVE_OPTIONS,
                  "unread bytes need a connection, so 'unread' and 'raw' cannot be had together");
    int failed = descriptors_fail_unfit(L, connection, RECEIVING);
    if (failed) return failed;
    struct receipt *receipt = support_new(L, CLASS, sizeof *receipt, 0);
    receipt->passed.fd = -1;
    lua_pushnumber(L, connection_time_limit(L, connection));
    return receive_step(L, LUA_OK, 0);
}

void receipt_open(lua_State *L) {
    static const luaL_Reg metamethods[] = {{"__gc", receipt_gc}, {NULL, NULL}};
    support_class(L, CLASS, NULL, metamethods);
}
