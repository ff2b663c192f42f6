--- MessagePack: integers are exact, floats round-trip, text and binary are kept apart as far as Lua can tell.
--- See lua/types/core/msgpack.lua.

require "core.buffer" -- the class of what binary is by option
require "perigee.codec.timestamp" -- what its timestamps can do

return require "core.msgpack"
