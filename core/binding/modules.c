#include "binding/modules.h"

const luaL_Reg core_modules[] = {
    {"core.task", luaopen_core_task},
    {"core.address", luaopen_core_address},
    {"core.buffer", luaopen_core_buffer},
    {"core.connection", luaopen_core_connection},
    {"core.listener", luaopen_core_listener},
    {"core.datagram", luaopen_core_datagram},
    {"core.descriptor", luaopen_core_descriptor},
    {"core.system", luaopen_core_system},
    {"core.json", luaopen_core_json},
    {"core.http", luaopen_core_http},
    {"core.multipart", luaopen_core_multipart},
    {"core.digest", luaopen_core_digest},
    {"core.routes", luaopen_core_routes},
    {"core.websocket", luaopen_core_websocket},
    {"core.fanout", luaopen_core_fanout},
    {"core.tls", luaopen_core_tls},
    {"core.serial", luaopen_core_serial},
    {"core.process", luaopen_core_process},
    {NULL, NULL},
};
