--- Descriptors: sockets and files that nothing here reads or writes, to be handed to other processes (conn:send_fd) or
--- to be served here (net.serve and http.serve take one in the place of an address).
--- See lua/types/core/descriptor.lua.

local address <const> = require "core.address"
local core <const> = require "core.descriptor"
local server <const> = require "perigee.server"

local M <const> = {}

local function made(make, at, options)
  if type(at) == "userdata" then return make(at, options) end
  if type(at) ~= "string" then error("bad argument 'url' (a URL expected)", 0) end
  local found <const>, message <const>, code <const> = address.lookup(at)
  if not found then return nil, message, code end
  return make(found[1], options)
end

--- Binds and listens, and accepts nothing: clients wait in the kernel's backlog. Of a name that has several addresses,
--- the first is taken.
---
--- Options: backlog, nodelay, keepalive, reuseport, v6only, receive_buffer, send_buffer as net.serve has them;
--- keep_path: closing it leaves the file of a Unix socket (default false). What takes the descriptor over has a
--- keep_path of its own.
---@param url string|perigee.Address tcp:// unix: http:// ...
---@param options table?
---@return perigee.Descriptor?
---@return string? message
---@return string? code "exists": the address is in use; "denied", "unreachable"
function M.listen(url, options)
  return server.returned(pcall(made, core.listen, url, options))
end

--- Binds a UDP socket.
---
--- Options: reuseport, v6only, broadcast, receive_buffer, send_buffer.
---@param url string|perigee.Address udp://
---@param options table?
---@return perigee.Descriptor?
---@return string? message
---@return string? code "exists" "denied" "unreachable"
function M.bind(url, options)
  return server.returned(pcall(made, core.bind, url, options))
end

--- Takes a descriptor that whoever started this process has left open for it: systemd's LISTEN_FDS begin at 3. Programs
--- that this process starts do not get it.
---@param number integer
---@return perigee.Descriptor?
---@return string? message
---@return string? code "closed": there is none of that number
function M.inherited(number)
  return server.returned(pcall(core.inherited, number))
end

return M
