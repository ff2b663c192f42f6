--- Files and commands, as far as services need them beside io: what io cannot do, or only by blocking everybody.

local system <const> = require "core.system"
require "core.connection" -- the class of what run returns

local M <const> = {}

--- The names in a directory, sorted, without "." and "..".
---@param path string
---@return string[]?
---@return string? message
---@return string? code
function M.list(path)
  return system.list(path)
end

--- All bytes of a file.
---@param path string
---@return string?
---@return string? message
function M.read(path)
  local file <const>, message <const> = io.open(path, "rb")
  if not file then return nil, message end
  local bytes <const>, why <const> = file:read "a"
  file:close()
  return bytes, why
end

--- What a shell command writes to its standard output, as a connection that is read without blocking. The command runs
--- until it ends, or the connection is closed: then it gets SIGTERM. Its standard input is empty.
---@param command string
---@return perigee.Connection?
---@return string? message
---@return string? code
function M.run(command)
  return system.run(command)
end

return M
