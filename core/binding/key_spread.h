/* Lua finds numbers in a table by a hash without a secret, so that a peer can choose keys that all get into one chain: each
 * is then compared with all before it. Of a table that a peer fills with many keys, the numbers are counted here by the
 * chains that Lua 5.4 puts them into. Owner: a userdata on the Lua stack. */
#ifndef PERIGEE_BINDING_KEY_SPREAD_H
#define PERIGEE_BINDING_KEY_SPREAD_H

#include <lua.h>
#include <stddef.h>

enum { KEY_SPREAD_FROM = 256 /* keys: fewer can do no harm */ };

struct key_spread;

/* Pushes that of a table which is made by lua_createtable for `keys` keys. */
struct key_spread *key_spread_push(lua_State *L, size_t keys);

/* The next key is at `index`: 0; or -1 when too many got into its chain. Only numbers count. */
int key_spread_add(struct key_spread *spread, lua_State *L, int index);

#endif
