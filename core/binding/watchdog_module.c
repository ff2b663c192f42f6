/* core.watchdog: slices of Lua that go on too long, and the limit of memory. */
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "binding/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

static const char SETHOOK[] = "perigee.watchdog.sethook"; /* in the registry: the original */

/* 0: never */
static double seconds_of(lua_State *L, const char *name, double otherwise) {
    if (!lua_istable(L, 1) || lua_getfield(L, 1, name) == LUA_TNIL) return otherwise;
    lua_Number seconds = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
    if (!(seconds >= 0))
        luaL_error(L, "option '%s' must be seconds of 0 or more, not %s", name, luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
    return seconds;
}

static void read_options(lua_State *L, struct watchdog_options *options) {
    static const char *const names[] = {"warn", "stop", "log", "report", NULL};
    support_check_options(L, 1, names);
    options->warn = seconds_of(L, "warn", 0.1);
    options->stop = seconds_of(L, "stop", 5);
    options->report = (int)support_option_integer(L, 1, "report", 0, INT_MAX, -1);
    if (lua_istable(L, 1)) lua_getfield(L, 1, "log");
    else lua_pushnil(L);
    options->json = strcmp(luaL_optstring(L, -1, "text"), "json") == 0;
    lua_pop(L, 1);
}

static int refuse_hook(lua_State *L) {
    return luaL_error(
        L, "debug.sethook: the watchdog has the hook; without it, by --warn-after 0 --stop-after 0, there is one");
}

/* A script's hook would take the place of the watchdog's, and could not be stopped itself. The original is kept. */
static void take_sethook(lua_State *L) {
    lua_getglobal(L, "debug");
    lua_getfield(L, -1, "sethook");
    if (lua_tocfunction(L, -1) != refuse_hook) lua_setfield(L, LUA_REGISTRYINDEX, SETHOOK);
    else lua_pop(L, 1);
    lua_pushcfunction(L, refuse_hook);
    lua_setfield(L, -2, "sethook");
    lua_pop(L, 1);
}

static void give_sethook(lua_State *L) {
    lua_getglobal(L, "debug");
    if (lua_getfield(L, LUA_REGISTRYINDEX, SETHOOK) != LUA_TNIL) lua_setfield(L, -2, "sethook");
    else lua_pop(L, 1);
    lua_pop(L, 1);
}

/* Programs that are started do not get it, and who does not read it holds up nothing. */
static void take_report(int fd) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_WRONLY | O_NONBLOCK);
}

/* watchdog.start(options) -> true, or nil, message, code */
static int start(lua_State *L) {
    struct watchdog_options options;
    struct runtime *runtime = runtime_of(L);
    read_options(L, &options);
    luaL_argcheck(L, !runtime->watch.watchdog, 1, "the watchdog has been started");
    lua_pushboolean(L, 1);
    if (!options.warn && !options.stop) return 1;
    if (options.report >= 0) take_report(options.report);
    if (watchdog_start(L, &options) < 0) return support_fail_errno(L, errno, "start", "the watchdog");
    take_sethook(L);
    return 1;
}

/* watchdog.stop() */
static int stop(lua_State *L) {
    watchdog_stop(runtime_of(L));
    give_sethook(L);
    return 0;
}

/* watchdog.on_slow(function(seconds, traceback, context, stopped)) */
static int on_slow(lua_State *L) {
    return support_keep_callback(L, WATCHDOG_ON_SLOW);
}

/* watchdog.slices() -> { longest=, warned=, stopped= } */
static int slices(lua_State *L) {
    const struct watchdog *watchdog = runtime_of(L)->watch.watchdog;
    double longest = 0;
    if (watchdog) __atomic_load(&watchdog->longest, &longest, __ATOMIC_RELAXED);
    lua_createtable(L, 0, 3);
    lua_pushnumber(L, longest);
    lua_setfield(L, -2, "longest");
    lua_pushinteger(L, watchdog ? watchdog->warned : 0);
    lua_setfield(L, -2, "warned");
    lua_pushinteger(L, watchdog ? watchdog->stopped : 0);
    lua_setfield(L, -2, "stopped");
    return 1;
}

/* watchdog.limit_memory(bytes) -> the limit before; nil for no limit */
static int limit_memory(lua_State *L) {
    size_t before = runtime_of(L)->memory.limit;
    memory_limit(runtime_of(L), support_check_size(L, 1, 1, SIZE_MAX));
    if (before == SIZE_MAX) lua_pushnil(L);
    else lua_pushinteger(L, (lua_Integer)before);
    return 1;
}

/* watchdog.explain(value) -> the value; instead of Lua's error of memory, what was refused last */
static int explain(lua_State *L) {
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    memory_explain(L);
    return 1;
}

int luaopen_core_watchdog(lua_State *L) {
    static const luaL_Reg functions[] = {{"start", start},   {"stop", stop},       {"on_slow", on_slow},
                                         {"slices", slices}, {"explain", explain}, {"limit_memory", limit_memory},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
