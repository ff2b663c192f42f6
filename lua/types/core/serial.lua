---@meta core.serial
--- Values as bytes, for another process on this machine. nil, booleans, integers, floats, strings, json.null, buffers
--- (copied), and tables of these without a metatable (JSON's marks are kept). A table or a buffer that occurs more than
--- once, also within itself, stays one. Fields are read raw: no metamethod is followed.

local M <const> = {}

--- Raises for what cannot travel, and names where it is: "argument 2, field 'a.b[3]': a connection cannot travel".
--- These are functions, coroutines, userdata, tables with metatables, and what is deeper than 500 levels.
---@param ... any
---@return string
function M.encode(...) end

--- The bytes may come from anywhere: no code is loaded, and what is made of them is in proportion to their length.
---@param bytes string
---@return any ... the values
---@return string? message with nil before it: "invalid bytes at 17: a value expected"
---@return "protocol"? code
function M.decode(bytes) end

return M, {}
