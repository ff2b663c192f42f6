--- Buffers: bytes and typed arrays that are filled, viewed, received into and sent without a copy.
--- See lua/types/core/buffer.lua.

return require "core.buffer"
