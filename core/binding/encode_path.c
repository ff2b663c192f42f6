#include "binding/encode_path.h"

#include <ctype.h>

void encode_path_begin(lua_State *L) {
    lua_pushliteral(L, "");
}

void encode_path_index(lua_State *L, lua_Integer index) {
    lua_pushfstring(L, "[%I]%s", index, lua_tostring(L, -1));
    lua_replace(L, -2);
}

static int is_name(const char *key) {
    if (!*key || isdigit((unsigned char)*key)) return 0;
    while (isalnum((unsigned char)*key) || *key == '_') key++;
    return !*key;
}

static const char *form_of(lua_State *L, int key) {
    if (lua_type(L, key) != LUA_TSTRING) return "[%s]%s";
    return is_name(lua_tostring(L, key)) ? ".%s%s" : "[\"%s\"]%s";
}

void encode_path_key(lua_State *L, int key) {
    const char *form = form_of(L, key);
    const char *name = lua_isboolean(L, key) ? lua_toboolean(L, key) ? "true" : "false" : lua_tostring(L, key);
    lua_pushfstring(L, form, name, lua_tostring(L, -1));
    lua_replace(L, -2);
}

void encode_path_end(lua_State *L, const char *problem) {
    const char *path = lua_tostring(L, -1);
    lua_pushfstring(L, "cannot encode %s%s%s", problem, *path ? " at " : "", path + (*path == '.'));
    lua_replace(L, -2);
}
