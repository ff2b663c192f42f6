/* core.durable: opening environments, and finding what is in them. */
#include "binding/durable.h"
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/support.h"

#include <math.h>
#include <string.h>

static const char CLASS[] = "perigee.durable";

static const lua_Integer SIZE = 8LL << 30, SIZE_LEAST = 1 << 20, SIZE_MOST = 1LL << 45; /* bytes */

static struct durable_object *check_environment(lua_State *L) {
    return luaL_checkudata(L, 1, CLASS);
}

/* Arguments. */

struct span durable_check_span(lua_State *L, int argument) {
    struct span span;
    luaL_checktype(L, argument, LUA_TSTRING);
    span.bytes = lua_tolstring(L, argument, &span.length);
    return span;
}

uint64_t durable_check_milliseconds(lua_State *L, int argument, uint64_t least) {
    static const lua_Number most = 1e15; /* some 30,000 years */
    lua_Number seconds = support_check_seconds(L, argument, INFINITY);
    if (seconds == INFINITY) return 0;
    uint64_t milliseconds = (uint64_t)ceil(seconds * 1000 < most ? seconds * 1000 : most);
    return milliseconds < least ? least : milliseconds;
}

/* Results. */

int durable_push_found(lua_State *L, const struct durable_operation *operation) {
    lua_pushboolean(L, operation->found);
    return 1;
}

int durable_push_count(lua_State *L, const struct durable_operation *operation) {
    lua_pushinteger(L, (lua_Integer)operation->count);
    return 1;
}

/* Environments. */

/* durable.open(directory, { sync =, size = }?) -> environment, or nil, message, code */
static int open_environment(lua_State *L) {
    static const char *const names[] = {"sync", "size", NULL};
    const char *directory = luaL_checkstring(L, 1);
    support_check_options(L, 2, names);
    struct durable_options options = {
        .sync = support_option_boolean(L, 2, "sync", 1),
        .size = (uint64_t)support_option_integer(L, 2, "size", SIZE_LEAST, SIZE_MOST, SIZE),
    };
    int error;
    struct durable_object *object = support_new(L, CLASS, sizeof *object, 0);
    object->writer = durable_writer_open(&runtime_of(L)->loop, directory, &options, &error);
    return object->writer ? 1 : durable_fail(L, "open", directory, error);
}

/* environment:close(): what was submitted is written */
static int close_environment(lua_State *L) {
    struct durable_object *object = check_environment(L);
    struct durable_writer *writer = object->writer;
    object->writer = NULL;
    if (writer) durable_writer_drop(writer);
    return 0;
}

static int environment_to_string(lua_State *L) {
    const struct durable_object *object = check_environment(L);
    lua_pushfstring(L, "durable environment %s",
                    object->writer ? durable_writer_directory(object->writer) : "(closed)");
    return 1;
}

/* environment:shift_clock(seconds): it goes by a clock that is so much ahead: for specs */
static int shift_clock(lua_State *L) {
    const struct durable_object *object = check_environment(L);
    lua_Number seconds = luaL_checknumber(L, 2);
    luaL_argcheck(L, fabs(seconds) < 1e12, 2, "seconds out of range");
    if (object->writer) durable_shift_clock(durable_writer_durable(object->writer), (int64_t)(seconds * 1000));
    return 0;
}

/* Stores and queues. */

void durable_push_space(lua_State *L, const char *class_name, uint32_t number) {
    struct durable_space *space = support_new(L, class_name, sizeof *space, 1);
    space->environment = check_environment(L);
    space->number = number;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
}

enum { SPACE_ENVIRONMENT = 1, SPACE_NAME };

/* Puts the class of what is made in the place of its number. */
static int space_made(lua_State *L, int status, lua_KContext context) {
    const char *class_name = (const char *)context;
    (void)status;
    if (!lua_isinteger(L, SPACE_NAME + 1)) return lua_gettop(L) - SPACE_NAME; /* a failure, or there is none */
    durable_push_space(L, class_name, (uint32_t)lua_tointeger(L, SPACE_NAME + 1));
    return 1;
}

static int push_number(lua_State *L, const struct durable_operation *operation) {
    if (operation->found) lua_pushinteger(L, (lua_Integer)operation->count);
    else lua_pushboolean(L, 0);
    return 1;
}

static const struct durable_method find_name = {"look into", durable_find_name, NULL, push_number};
static const struct durable_method make_name = {"open a name in", durable_make_name, NULL, push_number};

static struct durable_operation name_operation(lua_State *L) {
    return (struct durable_operation){.name = durable_check_span(L, SPACE_NAME)};
}

static int call_find(lua_State *L) {
    struct durable_operation operation = name_operation(L);
    return durable_call_read(L, check_environment(L), &find_name, &operation);
}

static int call_make(lua_State *L) {
    struct durable_operation operation = name_operation(L);
    return durable_call_write(L, check_environment(L), &make_name, &operation);
}

/* Calls one of them with the environment and the name. */
static int call_with_name(lua_State *L, lua_CFunction function, const char *class_name, lua_KFunction after) {
    lua_settop(L, SPACE_NAME);
    lua_pushcfunction(L, function);
    lua_pushvalue(L, SPACE_ENVIRONMENT);
    lua_pushvalue(L, SPACE_NAME);
    lua_callk(L, 2, LUA_MULTRET, (lua_KContext)class_name, after);
    return after(L, LUA_OK, (lua_KContext)class_name);
}

static int space_found(lua_State *L, int status, lua_KContext context) {
    if (lua_isboolean(L, SPACE_NAME + 1)) return call_with_name(L, call_make, (const char *)context, space_made);
    return space_made(L, status, context);
}

/* The name gets a letter in front: stores and queues have their own. */
static int open_space(lua_State *L, const char *class_name, const char *letter) {
    check_environment(L);
    struct span name = durable_check_span(L, SPACE_NAME);
    if (name.length > DURABLE_NAME_MOST) return durable_fail_long(L, "name", name.length, DURABLE_NAME_MOST);
    lua_settop(L, SPACE_NAME);
    lua_pushstring(L, letter);
    lua_insert(L, SPACE_NAME);
    lua_concat(L, 2);
    return call_with_name(L, call_find, class_name, space_found);
}

/* environment:store(name) -> store; environment:queue(name) -> queue; or nil, message, code */
static int open_store(lua_State *L) {
    return open_space(L, DURABLE_STORE, "s");
}

static int open_queue(lua_State *L) {
    return open_space(L, DURABLE_QUEUE, "q");
}

int luaopen_core_durable(lua_State *L) {
    static const luaL_Reg functions[] = {{"open", open_environment}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"store", open_store},
                                       {"queue", open_queue},
                                       {"shift_clock", shift_clock},
                                       {"close", close_environment},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__close", close_environment},
                                           {"__gc", close_environment},
                                           {"__tostring", environment_to_string},
                                           {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    durable_store_open(L);
    durable_queue_open(L);
    luaL_newlib(L, functions);
    return 1;
}
