--- RESP, the protocol of Redis, versions 2 and 3: values and messages both ways. See lua/types/core/resp.lua.

require "core.connection" -- has the class of readers

return require "core.resp"
