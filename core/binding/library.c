#include "binding/library.h"
#include "binding/modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct library_file *library_find(const char *path) {
    for (const struct library_file *file = library_files; file->name; file++)
        if (strcmp(file->name, path) == 0) return file;
    return NULL;
}

static int library_load_file(lua_State *L, const char *root, const char *path) {
    const char *full = lua_pushfstring(L, "%s/%s", root, path);
    FILE *file = fopen(full, "r");
    if (!file) return 0;
    fclose(file);
    if (luaL_loadfile(L, full) != LUA_OK) lua_error(L);
    return 1;
}

static int library_load_embedded(lua_State *L, const char *path) {
    const struct library_file *file = library_find(path);
    if (!file) return 0;
    const char *chunk = lua_pushfstring(L, "@%s", path);
    if (luaL_loadbuffer(L, (const char *)file->bytes, file->length, chunk) != LUA_OK) lua_error(L);
    return 1;
}

/* A searcher for package.searchers: perigee.NAME as perigee/NAME.lua or perigee/NAME/init.lua. */
static int library_search(lua_State *L) {
    static const char *const patterns[] = {"%s.lua", "%s/init.lua"};
    const char *name = luaL_checkstring(L, 1), *root = getenv("PERIGEE_LUA");
    if (strncmp(name, "perigee.", 8) != 0) return 0;
    const char *base = luaL_gsub(L, name, ".", "/");
    for (int i = 0; i < 2; i++) {
        const char *path = lua_pushfstring(L, patterns[i], base);
        if (root && library_load_file(L, root, path)) return 1;
        if (library_load_embedded(L, path)) return 1;
    }
    lua_pushfstring(L, "no file of the Perigee library for '%s'", name);
    return 1;
}

void library_open(lua_State *L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    luaL_setfuncs(L, core_modules, 0);
    lua_pop(L, 1);
    lua_getglobal(L, "table");
    lua_getfield(L, -1, "insert");
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers");
    lua_remove(L, -2);
    lua_pushinteger(L, 2); /* behind the preloaded */
    lua_pushcfunction(L, library_search);
    lua_call(L, 3, 0);
    lua_pop(L, 1);
}
