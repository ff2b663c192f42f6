#include "binding/json_keys.h"

#include <stdlib.h>
#include <string.h>

lua_Integer json_keys_count(lua_State *L, int table) {
    lua_Integer count = 0, last = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1), count++) {
        lua_Integer key = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        if (key > last) last = key;
        if (key > 0) continue;
        lua_pop(L, 2);
        return -1;
    }
    return count == last ? count : -1;
}

int json_keys_follow(lua_State *L, int table, lua_Integer index, lua_Integer length) {
    lua_pushvalue(L, table + 1);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        if (lua_isinteger(L, -1) && lua_tointeger(L, -1) == ++index) continue;
        lua_pop(L, 1);
        return 0;
    }
    return index == length;
}

static int key_compare(const void *left, const void *right) {
    const struct json_key *a = left, *b = right;
    int order = memcmp(a->bytes, b->bytes, a->length < b->length ? a->length : b->length);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* Pushes a sequence of the keys. Returns how many, or -1 when one is no string. */
static lua_Integer push_names(lua_State *L, int table) {
    lua_Integer count = 0;
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING) return -1;
        lua_pushvalue(L, -2);
        lua_rawseti(L, table + 1, ++count);
    }
    return count;
}

/* A finalizer that runs meanwhile may change the table, so nothing of it is counted or pointed to. */
lua_Integer json_keys_push_sorted(lua_State *L, int table) {
    lua_Integer count = push_names(L, table);
    if (count < 0) return -1;
    struct json_key *keys = lua_newuserdatauv(L, (size_t)count * sizeof *keys, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, table + 1, i + 1);
        keys[i].bytes = lua_tolstring(L, -1, &keys[i].length);
        keys[i].index = i + 1;
        lua_pop(L, 1);
    }
    qsort(keys, (size_t)count, sizeof *keys, key_compare);
    return count;
}

int json_keys_stringify(lua_State *L, int table) {
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        if (lua_isinteger(L, -1)) lua_tostring(L, -1);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, table + 1) != LUA_TNIL) return -1;
        lua_pop(L, 1);
        lua_pushvalue(L, -2);
        lua_rawset(L, table + 1);
    }
    lua_replace(L, table);
    return 0;
}
