#include "binding/scratch.h"
#include "binding/support.h"

static const char CLASS[] = "perigee.scratch";

enum { KEPT = 64 * 1024 }; /* bytes that stay allocated */

static int scratch_gc(lua_State *L) {
    text_destroy(luaL_checkudata(L, 1, CLASS));
    return 0;
}

struct text *scratch_push(lua_State *L) {
    static const luaL_Reg methods[] = {{NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", scratch_gc}, {NULL, NULL}};
    if (luaL_getmetatable(L, CLASS) == LUA_TNIL) support_class(L, CLASS, methods, metamethods);
    lua_pop(L, 1);
    return support_new(L, CLASS, sizeof(struct text), 0);
}

void scratch_reset(struct text *text, size_t length) {
    text->length = length;
    if (!length && text->capacity > KEPT) text_destroy(text);
}

void scratch_push_string(lua_State *L, struct text *text, size_t length) {
    size_t added = text->length - length;
    text->length = length; /* should there be no memory for the string */
    lua_pushlstring(L, text->bytes + length, added);
    scratch_reset(text, length);
}
