--- Servers: one or more addresses that are served together, by whatever protocol.

local address <const> = require "core.address"
local core <const> = require "core.task"
local service <const> = require "perigee.service"
local tls <const> = require "perigee.tls"

local M <const> = {}

---@class perigee.Server
---@field address any where it listens: the first address
---@field addresses any[] all of them
---@field sockets any[] the listener, or datagram socket, of each address
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

--- Stops accepting, and parts with the clients so that none is harmed: for a server whose addresses another process
--- serves from now on. Connections and datagrams go on; clients of HTTP are told by their next answer that it is the
--- last one, and closed when they have been silent for a while. close() ends at once what is idle then.
---@param seconds number? of silence, default 5
function Server:drain(seconds)
  for _, socket in ipairs(self.sockets) do socket:drain(seconds) end
  if self.is_open and self.service then self.service.changed:wake(math.huge) end
  self.is_open = false
end

--- Waits until none of its clients is left.
---@param seconds number? to wait at most
---@return true?
---@return string? message
---@return string? code "timeout"
function Server:await(seconds)
  local deadline <const> = core.now() + (seconds or math.huge)
  for _, socket in ipairs(self.sockets) do
    local ended <const>, message <const>, code <const> = socket:await(1, math.max(0, deadline - core.now()))
    if not ended then return nil, message, code end
  end
  return true
end

--- How many clients and datagrams it serves now.
---@return integer
function Server:active()
  local count = 0
  for _, socket in ipairs(self.sockets) do count = count + socket.active end
  return count
end

--- Serves a connection that somebody else has accepted: as if this server had, with what is pending on it. The object
--- is closed after.
---@param conn perigee.Connection
---@return true?
---@return string? message
---@return string? code "closed"; "limit": there are max_connections already; "tls": it carries TLS
function Server:adopt(conn)
  for _, socket in ipairs(self.sockets) do
    if socket.adopt then return socket:adopt(conn) end
  end
  error("a server of datagrams adopts no connections", 2)
end

function Server:__tostring()
  local names <const> = {}
  for i, at in ipairs(self.addresses) do names[i] = tostring(at) end
  return "server: " .. table.concat(names, " ") .. (self.is_open and "" or " (closed)")
end

--- How a protocol opens its sockets.
---@class perigee.server.Protocol
---@field options table? of the user
---@field defaults table? of the option tls
---@field open fun(at: any, options: table?): any?, string?, string? a socket with close() and address, or why not
---@field probe fun(at: any, options: table?): any?, string?, string? could it be opened now?

local is_encrypted <const> = { tls = true, https = true }

--- Options without `tls`, and with it as a context: for plain addresses and for encrypted ones.
local function split_options(protocol, from_url)
  local given <const> = protocol.options or {}
  local plain <const>, encrypted <const> = {}, {}
  for name, value in pairs(given) do plain[name], encrypted[name] = value, value end
  plain.tls, plain.handshake_timeout = nil, nil
  if given.tls == nil and not from_url then return plain, plain end
  local context <const>, message <const>, code <const> = tls.of(from_url or given.tls, protocol.defaults)
  if not context then return nil, message, code end
  encrypted.tls = context
  return plain, encrypted
end

local function is_descriptor(value)
  return type(value) == "userdata" and getmetatable(value).__name == "perigee.descriptor"
end

local function look_up(url)
  if is_descriptor(url) then return { url } end
  return address.lookup(url)
end

--- The addresses that a URL stands for, each with its options. A descriptor stands for itself.
local function resolve_one(found, url, protocol)
  local plain_url, from_url = url, nil
  if not is_descriptor(url) then plain_url, from_url = tls.split(url) end
  local addresses <const>, message <const>, code <const> = look_up(plain_url)
  if not addresses then return nil, message, code end
  local plain <const>, encrypted <const>, short <const> = split_options(protocol, from_url)
  if not plain then return nil, ("listen on %s: %s"):format(tostring(plain_url), encrypted), short end
  for _, at in ipairs(addresses) do
    local may_be_either <const> = at.scheme == "unix" or is_descriptor(at)
    local is_plain <const> = not is_encrypted[at.scheme] and not (may_be_either and encrypted.tls)
    table.insert(found, { at = at, options = is_plain and plain or encrypted })
  end
  return true
end

--- Of a name that has several addresses, all are served.
local function resolve(urls, protocol)
  local found <const> = {}
  for _, url in ipairs(urls) do
    local done <const>, message <const>, code <const> = resolve_one(found, url, protocol)
    if not done then return nil, message, code end
  end
  return found
end

local function merge(options, more)
  local merged <const> = {}
  for name, value in pairs(options or {}) do merged[name] = value end
  for name, value in pairs(more or {}) do merged[name] = value end
  return merged
end

--- The sockets that somebody else has bound for an address, opened.
local function open_supplied(server, target, protocol, supply)
  local options <const>, sockets <const> = merge(target.options, supply.options), {}
  for i, descriptor in ipairs(supply.descriptors) do
    local socket <const>, message <const>, code <const> = protocol.open(descriptor, options)
    if not socket then return nil, message, code end
    sockets[i] = socket
    table.insert(server.sockets, socket)
  end
  if supply.opened then supply.opened(sockets) end
  return sockets[1]
end

--- What an address is served by.
---@class perigee.server.Supply
---@field descriptors perigee.Descriptor[] listening, or bound for UDP
---@field options table? to be added to the user's
---@field opened fun(sockets: any[])? is told what became of the descriptors

--- Who gives the sockets for addresses, instead of the system: a supervisor, or whoever started this process. Returns
--- nil for an address that is to be bound here; nil, message, code for one that cannot be had.
---@type (fun(service: string, at: perigee.Address, options: table?): perigee.server.Supply?, string?, string?)?
M.supplier = nil

local function open_one(server, target, protocol)
  local name <const> = server.service and server.service.name
  if M.supplier and name and not is_descriptor(target.at) then
    local supply <const>, message <const>, code <const> = M.supplier(name, target.at, target.options)
    if supply then return open_supplied(server, target, protocol, supply) end
    if message then return nil, message, code end
  end
  local socket <const>, message <const>, code <const> = protocol.open(target.at, target.options)
  if socket then table.insert(server.sockets, socket) end
  return socket, message, code
end

local function open_all(server, targets, protocol)
  local function close_unless_done(_, failure) if failure then server:close() end end
  local _ <close> = setmetatable({}, { __close = close_unless_done })
  for _, target in ipairs(targets) do
    local socket <const>, message <const>, code <const> = open_one(server, target, protocol)
    if not socket then
      server:close()
      return nil, message, code
    end
    table.insert(server.addresses, socket.address)
  end
  server.address = server.addresses[1]
  return server
end

local function probe(target, protocol)
  if is_descriptor(target.at) then return true end
  return protocol.probe(target.at, target.options)
end

--- For perigee check: would they be served? `claimed` are those that scripts checked before would serve.
local function probe_all(targets, protocol, claimed)
  local addresses <const> = {}
  for i, target in ipairs(targets) do
    local at <const> = target.at
    addresses[i] = at
    local name <const> = tostring(at)
    if at.port ~= 0 and claimed[name] then
      return nil, "listen on " .. name .. ": another script serves it", "exists"
    end
    claimed[name] = true
    local free <const>, message <const>, code <const> = probe(target, protocol)
    if not free then return nil, message, code end
  end
  return setmetatable({ sockets = {}, addresses = addresses, address = addresses[1], is_open = false }, Server)
end

local function serve(urls, protocol, current)
  local targets <const>, message <const>, code <const> = resolve(urls, protocol)
  if not targets then return nil, message, code end
  if current and current.checking then return probe_all(targets, protocol, current.checking) end
  local server <const> = setmetatable({ sockets = {}, addresses = {}, is_open = true, service = current }, Server)
  return open_all(server, targets, protocol)
end

--- Serves the addresses; the server belongs to the running service. Misuse raises, and so does a failure while a script
--- is loaded: a service that cannot listen must not load.
---@param urls string|perigee.Descriptor|(string|perigee.Descriptor)[]
---@param protocol perigee.server.Protocol
---@return perigee.Server? server
---@return string? message
---@return string? code
function M.serve(urls, protocol)
  if type(urls) == "string" or is_descriptor(urls) then urls = { urls } end
  if type(urls) ~= "table" or #urls == 0 then
    error("bad argument 'addresses' (a URL or a list of URLs expected)", 0)
  end
  local current <const> = service.current()
  local server <const>, message <const>, code <const> = serve(urls, protocol, current)
  if current and server then table.insert(current.servers, server) end
  if current and current.loading and not server then error(message, 0) end
  return server, message, code
end

M.returned = require "perigee.misuse"

return M
