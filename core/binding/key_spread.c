#include "binding/key_spread.h"

#include <limits.h>
#include <math.h>
#include <string.h>

struct key_spread {
    size_t chains;          /* what hashes are taken modulo, see hashmod in ltable.c */
    unsigned char counts[]; /* of the keys in each */
};

struct key_spread *key_spread_push(lua_State *L, size_t keys) {
    size_t size = 1; /* a power of two, as that of the table */
    while (size < keys) size *= 2;
    struct key_spread *spread = lua_newuserdatauv(L, sizeof *spread + size, 0);
    memset(spread, 0, sizeof *spread + size);
    spread->chains = (size - 1) | 1;
    return spread;
}

/* l_hashfloat of ltable.c. A float that is an integer becomes one as a key. */
static size_t hash_float(lua_Number number) {
    int exponent;
    lua_Integer integer;
    number = frexp(number, &exponent) * -(lua_Number)INT_MIN;
    if (!lua_numbertointeger(number, &integer)) return 0;
    unsigned hash = (unsigned)exponent + (unsigned)integer;
    return hash <= INT_MAX ? hash : ~hash;
}

int key_spread_add(struct key_spread *spread, lua_State *L, int index) {
    int is_integer;
    if (lua_type(L, index) != LUA_TNUMBER) return 0;
    size_t hash = (size_t)lua_tointegerx(L, index, &is_integer);
    if (!is_integer) hash = hash_float(lua_tonumber(L, index));
    return ++spread->counts[hash % spread->chains] ? 0 : -1;
}
