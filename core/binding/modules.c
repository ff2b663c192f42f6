#include "binding/modules.h"

const luaL_Reg core_modules[] = {
    {"core.task", luaopen_core_task},         {"core.address", luaopen_core_address},
    {"core.buffer", luaopen_core_buffer},     {"core.connection", luaopen_core_connection},
    {"core.listener", luaopen_core_listener}, {"core.datagram", luaopen_core_datagram},
    {"core.system", luaopen_core_system},     {NULL, NULL},
};
