#include "binding/socket_options.h"
#include "binding/support.h"

#include <limits.h>

enum { KEEPALIVE_SECONDS = 60 };

static int check_keepalive(lua_State *L, int table) {
    if (lua_isnoneornil(L, table)) return KEEPALIVE_SECONDS;
    int off = lua_getfield(L, table, "keepalive") == LUA_TBOOLEAN && !lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (off) return 0;
    return (int)support_option_integer(L, table, "keepalive", 1, 32767, KEEPALIVE_SECONDS);
}

void socket_options_check(lua_State *L, int table, struct socket_options *options) {
    *options = (struct socket_options){
        .backlog = (int)support_option_integer(L, table, "backlog", 1, 65535, 0),
        .receive_buffer = (int)support_option_integer(L, table, "receive_buffer", 1, INT_MAX, 0),
        .send_buffer = (int)support_option_integer(L, table, "send_buffer", 1, INT_MAX, 0),
        .keepalive = check_keepalive(L, table),
        .nodelay = support_option_boolean(L, table, "nodelay", 1) != 0,
        .reuseport = support_option_boolean(L, table, "reuseport", 0) != 0,
        .v6only = support_option_boolean(L, table, "v6only", 0) != 0,
        .broadcast = support_option_boolean(L, table, "broadcast", 0) != 0,
    };
}
