#include "binding/serialise_place.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

enum { NAME_SHOWN = 60 /* bytes of a key */, LEVELS_SHOWN = 20 };

static void append(lua_State *L, const char *text) {
    lua_pushstring(L, text);
    lua_concat(L, 2);
}

static int is_name(const char *key) {
    if (!*key || isdigit((unsigned char)*key)) return 0;
    while (isalnum((unsigned char)*key) || *key == '_') key++;
    return !*key;
}

static void append_text_key(lua_State *L, const char *key, int is_first) {
    size_t length = strlen(key);
    int is_long = length > NAME_SHOWN, is_plain = is_name(key) && !is_long;
    lua_pushstring(L, !is_plain ? "[\"" : is_first ? "" : ".");
    lua_pushlstring(L, key, is_long ? NAME_SHOWN : length);
    lua_pushstring(L, is_plain ? "" : is_long ? "...\"]" : "\"]");
    lua_concat(L, 4);
}

/* The key stays as it is: a number must not become a string under lua_next. */
static void append_key(lua_State *L, int key, int is_first) {
    if (lua_type(L, key) == LUA_TSTRING) {
        append_text_key(L, lua_tostring(L, key), is_first);
        return;
    }
    if (lua_isinteger(L, key)) lua_pushfstring(L, "[%I]", (LUAI_UACINT)lua_tointeger(L, key));
    else if (lua_type(L, key) == LUA_TNUMBER) lua_pushfstring(L, "[%f]", (LUAI_UACNUMBER)lua_tonumber(L, key));
    else if (lua_isboolean(L, key)) lua_pushstring(L, lua_toboolean(L, key) ? "[true]" : "[false]");
    else lua_pushfstring(L, "[%s]", luaL_typename(L, key));
    lua_concat(L, 2);
}

static void push_value_place(lua_State *L, const struct place *place) {
    if (place->number) lua_pushfstring(L, "%s %d", place->name, place->number);
    else lua_pushliteral(L, "the function");
}

static void push_upvalue_place(lua_State *L, const struct place *place) {
    int is_named = *place->name && *place->name != '('; /* "(no name)": the debug information was stripped */
    if (is_named) lua_pushfstring(L, "upvalue '%s' of ", place->name);
    else lua_pushfstring(L, "upvalue %d of ", place->number);
    place_push(L, place->around);
    lua_concat(L, 2);
}

/* The fields down to this one, without the quote at the end. */
static void push_fields(lua_State *L, const struct place *place) {
    int is_first = place->around->kind != PLACE_FIELD;
    luaL_checkstack(L, 4, "place");
    if (is_first) {
        place_push(L, place->around);
        append(L, ", field '");
    } else {
        push_fields(L, place->around);
    }
    append_key(L, place->key, is_first);
}

static const struct place *outermost(const struct place *place) {
    while (place->around) place = place->around;
    return place;
}

static int levels_of(const struct place *place) {
    int levels = 0;
    for (; place->around; place = place->around) levels++;
    return levels;
}

void place_push(lua_State *L, const struct place *place) {
    luaL_checkstack(L, 4, "place");
    if (levels_of(place) > LEVELS_SHOWN) {
        place_push(L, outermost(place));
        append(L, ", deep in it");
        return;
    }
    switch (place->kind) {
    case PLACE_VALUE: push_value_place(L, place); return;
    case PLACE_UPVALUE: push_upvalue_place(L, place); return;
    case PLACE_FIELD: push_fields(L, place); break;
    case PLACE_KEY: place_push(L, place->around); break;
    }
    append(L, place->kind == PLACE_FIELD ? "'" : ", a key");
}
