--- Servers: one or more addresses that are served together, by whatever protocol.

local address <const> = require "core.address"
local service <const> = require "perigee.service"

local M <const> = {}

---@class perigee.Server
---@field address any where it listens: the first address
---@field addresses any[] all of them
---@field is_open boolean
local Server <const> = { __name = "perigee.server" }
Server.__index = Server

--- Stops accepting, and closes datagram sockets and idle clients. What is under way goes on. Closing twice does
--- nothing.
function Server:close()
  for _, socket in ipairs(self.sockets) do socket:close() end
  if self.is_open and self.service then self.service.changed:wake(math.huge) end
  self.is_open = false
end

Server.__close = Server.close

function Server:__tostring()
  local names <const> = {}
  for i, at in ipairs(self.addresses) do names[i] = tostring(at) end
  return "server: " .. table.concat(names, " ") .. (self.is_open and "" or " (closed)")
end

--- How a protocol opens its sockets.
---@class perigee.server.Protocol
---@field open fun(at: any): any?, string?, string? a socket with close() and address, or nil, message, code
---@field probe fun(at: any): any?, string?, string? could it be opened now?

--- The addresses that URLs stand for; of a name that has several, all are served.
local function resolve(urls)
  local found <const> = {}
  for _, url in ipairs(urls) do
    local addresses <const>, message <const>, code <const> = address.lookup(url)
    if not addresses then return nil, message, code end
    table.move(addresses, 1, #addresses, #found + 1, found)
  end
  return found
end

local function open_all(server, addresses, protocol)
  local function close_unless_done(_, failure) if failure then server:close() end end
  local _ <close> = setmetatable({}, { __close = close_unless_done })
  for _, at in ipairs(addresses) do
    local socket <const>, message <const>, code <const> = protocol.open(at)
    if not socket then
      server:close()
      return nil, message, code
    end
    table.insert(server.sockets, socket)
    table.insert(server.addresses, socket.address)
  end
  server.address = server.addresses[1]
  return server
end

--- For perigee check: would they be served? `claimed` are those that scripts checked before would serve.
local function probe_all(addresses, protocol, claimed)
  for _, at in ipairs(addresses) do
    local name <const> = tostring(at)
    if at.port ~= 0 and claimed[name] then
      return nil, "listen on " .. name .. ": another script serves it", "exists"
    end
    claimed[name] = true
    local free <const>, message <const>, code <const> = protocol.probe(at)
    if not free then return nil, message, code end
  end
  return setmetatable({ sockets = {}, addresses = addresses, address = addresses[1], is_open = false }, Server)
end

local function serve(urls, protocol, current)
  local addresses <const>, message <const>, code <const> = resolve(urls)
  if not addresses then return nil, message, code end
  if current and current.checking then return probe_all(addresses, protocol, current.checking) end
  local server <const> = setmetatable({ sockets = {}, addresses = {}, is_open = true, service = current }, Server)
  return open_all(server, addresses, protocol)
end

--- Serves the addresses; the server belongs to the running service. Misuse raises, and so does a failure while a script
--- is loaded: a service that cannot listen must not load.
---@param urls string|string[]
---@param protocol perigee.server.Protocol
---@return perigee.Server? server
---@return string? message
---@return string? code
function M.serve(urls, protocol)
  if type(urls) == "string" then urls = { urls } end
  if type(urls) ~= "table" or #urls == 0 then
    error("bad argument 'addresses' (a URL or a list of URLs expected)", 0)
  end
  local current <const> = service.current()
  local server <const>, message <const>, code <const> = serve(urls, protocol, current)
  if current and server then table.insert(current.servers, server) end
  if current and current.loading and not server then error(message, 0) end
  return server, message, code
end

--- What pcall gave, for a function of the library to return by a tail call: an error is raised again as one of the
--- script's own line.
function M.returned(ok, ...)
  if ok then return ... end
  local value <const> = ...
  error(type(value) == "string" and value:gsub("^perigee/[%w_/]+%.lua:%d+: ", "") or value, 2)
end

return M
