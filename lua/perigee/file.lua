--- Files and commands, as far as services need them beside io: what io cannot do, or only by blocking everybody.

local connection <const> = require "core.connection"
local system <const> = require "core.system"
local process <const> = require "perigee.process"

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

-- In a shell that ends its process group when its standard output, a socket, is closed by us.
local WATCHED <const> = "{ read -r _ <&1; kill 0; } & watch=$!\n( %s\n)\nkill $watch"

--- What a shell command writes to its standard output, as a connection that is read without blocking. The command runs
--- until it ends, or the connection is closed: then it gets SIGTERM. Its standard input is empty.
---@param command string
---@return perigee.Connection?
---@return string? message
---@return string? code
function M.run(command)
  local output <const>, theirs <const>, code <const> = connection.pair()
  if not output then return nil, theirs, code end
  local shell <const>, message <const>, word <const> = process.run({ "/bin/sh", "-c", WATCHED:format(command) },
    { stdout = theirs })
  if not shell then
    output:close()
    theirs:close()
    return nil, message, word
  end
  shell:detach()
  return output
end

return M
