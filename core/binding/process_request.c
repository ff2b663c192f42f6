#include "binding/process_request.h"
#include "binding/connection.h"
#include "binding/connection_descriptors.h"
#include "binding/support.h"
#include "system/descriptor.h"

#include <errno.h>
#include <string.h>

static const char CONNECTION[] = "perigee.connection";
static const double GRACE = 5;

/* The list of strings in a field, ended by NULL; its memory is pushed. */
static char **check_strings(lua_State *L, int table, const char *name) {
    if (lua_getfield(L, table, name) != LUA_TTABLE) luaL_error(L, "option '%s' must be a list of strings", name);
    lua_Integer count = luaL_len(L, -1);
    const char **strings = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *strings, 0);
    for (lua_Integer i = 0; i < count; i++) {
        if (lua_geti(L, -2, i + 1) != LUA_TSTRING) luaL_error(L, "option '%s' must be a list of strings", name);
        strings[i] = lua_tostring(L, -1); /* the list keeps it */
        if (strlen(strings[i]) != lua_rawlen(L, -1))
            luaL_error(L, "option '%s': a zero byte is in its item %I", name, (LUAI_UACINT)i + 1);
        lua_pop(L, 1);
    }
    strings[count] = NULL;
    return (char **)strings;
}

static const char *option_string(lua_State *L, int table, const char *name) {
    int type = lua_getfield(L, table, name);
    if (type != LUA_TNIL && type != LUA_TSTRING) luaL_error(L, "option '%s' must be a string", name);
    const char *text = lua_tostring(L, -1);
    if (text && strlen(text) != lua_rawlen(L, -1)) luaL_error(L, "option '%s': a zero byte is in it", name);
    lua_pop(L, 1); /* the table keeps it */
    return text;
}

static int fail_given(lua_State *L, const char *code, const char *why) {
    return support_fail(L, code, "give %s to a process: %s", luaL_tolstring(L, -1, NULL), why);
}

/* The connection on top of the stack: its descriptor, or -1 with the results of failing. */
static int number_of_connection(lua_State *L, const struct connection_object *connection) {
    const struct stream *stream = &connection->io.stream;
    if (!connection->io.open) return fail_given(L, "closed", "it is closed"), -1;
    if (stream->session) return fail_given(L, "tls", "it carries TLS, whose keys stay in this process"), -1;
    if (connection_pending(&connection->io)) return fail_given(L, "protocol", "its unread bytes would be lost"), -1;
    if (connection->io.output.length) return fail_given(L, "protocol", "what was written to it is not yet sent"), -1;
    return stream->fd;
}

/* What is on top of the stack. */
static int number_of_given(lua_State *L) {
    const struct connection_object *connection = luaL_testudata(L, -1, CONNECTION);
    if (connection) return number_of_connection(L, connection);
    int fd = descriptors_number(L, lua_gettop(L));
    if (fd < 0) fail_given(L, support_code(errno), errno == EBADF ? "it is closed" : strerror(errno));
    return fd;
}

static int check_number(lua_State *L, int index) {
    int exact;
    lua_Integer number = lua_tointegerx(L, index, &exact);
    if (!exact || lua_type(L, index) != LUA_TNUMBER || number < 0 || number > PROCESS_NUMBER_MAX)
        luaL_error(L, "option 'descriptors': numbers are integers from 0 to %d, not %s", PROCESS_NUMBER_MAX,
                   luaL_tolstring(L, index, NULL));
    return (int)number;
}

static size_t count_fields(lua_State *L, int table) {
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) count++;
    return count;
}

/* The table of descriptors is on top of the stack: 0, or the results of failing. */
static int read_descriptors(lua_State *L, struct process_request *request) {
    int table = lua_gettop(L);
    struct process_descriptor *list = lua_newuserdatauv(L, (count_fields(L, table) + 1) * sizeof *list, 0);
    request->descriptors = list;
    for (lua_pushnil(L); lua_next(L, table); lua_settop(L, table + 2)) {
        struct process_descriptor *next = &list[request->descriptor_count++];
        next->number = check_number(L, -2);
        next->fd = number_of_given(L);
        if (next->fd < 0) return 3;
    }
    return 0;
}

/* As a program expects it: blocking. Ours waits in the loop, so it is not. */
static void set_blocking(lua_State *L, int table, int blocking) {
    int top = lua_gettop(L);
    lua_getfield(L, table, "descriptors");
    for (lua_pushnil(L); lua_next(L, top + 1); lua_pop(L, 1)) {
        const struct connection_object *connection = luaL_testudata(L, -1, CONNECTION);
        if (connection && connection->io.open) descriptor_set_blocking(connection->io.stream.fd, blocking);
    }
    lua_settop(L, top);
}

static int read_user(lua_State *L, const char *name, struct process_order *order) {
    order->request.user = &order->user;
    if (user_find(name, &order->user) == 0) return 0;
    if (errno == ENOENT) return support_fail(L, "unreachable", "there is no user '%s'", name);
    return support_fail_errno(L, errno, "look up the user", name);
}

int process_order_read(lua_State *L, int table, struct process_order *order) {
    static const char *const names[] = {"arguments", "environment", "directory", "descriptors",
                                        "group",     "user",        "grace",     NULL};
    struct process_request *request = &order->request;
    support_check_options(L, table, names);
    *request = (struct process_request){.group = support_option_boolean(L, table, "group", 1)};
    order->grace = support_option_seconds(L, table, "grace", GRACE);
    request->arguments = check_strings(L, table, "arguments");
    if (!request->arguments[0]) return luaL_error(L, "option 'arguments' must have a program");
    request->environment = check_strings(L, table, "environment");
    request->directory = option_string(L, table, "directory");
    const char *user = option_string(L, table, "user");
    int failed = user ? read_user(L, user, order) : 0;
    if (failed) return failed;
    int type = lua_getfield(L, table, "descriptors");
    if (type != LUA_TTABLE) return luaL_error(L, "option 'descriptors' must be a table");
    failed = read_descriptors(L, request);
    if (!failed) set_blocking(L, table, 1);
    return failed;
}

void process_order_done(lua_State *L, int table, int started) {
    int top = lua_gettop(L);
    if (!started) {
        set_blocking(L, table, 0);
        return;
    }
    lua_getfield(L, table, "descriptors");
    for (lua_pushnil(L); lua_next(L, top + 1); lua_pop(L, 1)) {
        struct connection_object *connection = luaL_testudata(L, -1, CONNECTION);
        if (connection) connection_let_go(&connection->io);
    }
    lua_settop(L, top);
}
