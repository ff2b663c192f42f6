#include "binding/encoder.h"

#include <ctype.h>

int encoder_fail(struct encoder *encoder, const char *problem) {
    encoder->problem = problem;
    lua_pushliteral(encoder->L, "");
    return -1;
}

int encoder_fail_at_index(struct encoder *encoder, lua_Integer index) {
    lua_State *L = encoder->L;
    lua_pushfstring(L, "[%I]%s", index, lua_tostring(L, -1));
    lua_replace(L, -2);
    return -1;
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

int encoder_fail_at_key(struct encoder *encoder, int key) {
    lua_State *L = encoder->L;
    const char *form = form_of(L, key);
    const char *name = lua_isboolean(L, key) ? lua_toboolean(L, key) ? "true" : "false" : lua_tostring(L, key);
    lua_pushfstring(L, form, name, lua_tostring(L, -1));
    lua_replace(L, -2);
    return -1;
}

void encoder_push_message(struct encoder *encoder, int base) {
    lua_State *L = encoder->L;
    const char *path = lua_tostring(L, -1);
    lua_pushfstring(L, "cannot encode %s%s%s", encoder->problem, *path ? " at " : "", path + (*path == '.'));
    lua_insert(L, base + 1);
    lua_settop(L, base + 1);
}
