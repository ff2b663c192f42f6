--- Sockets: serve, connect, datagrams. Addresses are URLs: tcp://127.0.0.1:7000 tcp://[::1]:7000 udp://name:53
--- unix:/path unix:@abstract. Expected failure returns nil, message, code; misuse raises.

local address <const> = require "core.address"
local connection <const> = require "core.connection"
local datagram <const> = require "core.datagram"
local listener <const> = require "core.listener"
local task <const> = require "core.task"
local service <const> = require "perigee.service"

local M <const> = {}

---@class perigee.Server
---@field address any where it listens: the first address
---@field addresses any[] all of them
local Server <const> = { __name = "perigee.server" }
Server.__index = Server

--- Stops accepting, and closes datagram sockets. Connections go on. Closing twice does nothing.
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

local function open(at, handler, options)
  if at.scheme ~= "udp" then return listener.listen(at, handler, options) end
  local socket <const>, message <const>, code <const> = datagram.open(at, nil, options)
  if not socket then return nil, message, code end
  socket:serve(handler)
  return socket
end

--- The addresses that a URL stands for; of a name that has several, all are served.
local function resolve(urls)
  local found <const> = {}
  for _, url in ipairs(urls) do
    local addresses <const>, message <const>, code <const> = address.lookup(url)
    if not addresses then return nil, message, code end
    table.move(addresses, 1, #addresses, #found + 1, found)
  end
  return found
end

local function open_all(server, addresses, handler, options)
  local function close_unless_done(_, failure) if failure then server:close() end end
  local _ <close> = setmetatable({}, { __close = close_unless_done })
  for _, at in ipairs(addresses) do
    local socket <const>, message <const>, code <const> = open(at, handler, options)
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

local function probe(at, options)
  if at.scheme ~= "udp" then return listener.probe(at, options) end
  local socket <const>, message <const>, code <const> = datagram.open(at, nil, options)
  if not socket then return nil, message, code end
  socket:close()
  return true
end

--- For perigee check: would they be served? `claimed` are those that scripts checked before would serve.
local function probe_all(addresses, options, claimed)
  for _, at in ipairs(addresses) do
    local name <const> = tostring(at)
    if at.port ~= 0 and claimed[name] then
      return nil, "listen on " .. name .. ": another script serves it", "exists"
    end
    claimed[name] = true
    local free <const>, message <const>, code <const> = probe(at, options)
    if not free then return nil, message, code end
  end
  return setmetatable({ sockets = {}, addresses = addresses, address = addresses[1], is_open = false }, Server)
end

local function serve(urls, handler, options)
  local current <const> = service.current()
  local addresses <const>, message <const>, code <const> = resolve(urls)
  if not addresses then return nil, message, code end
  if current and current.checking then return probe_all(addresses, options, current.checking) end
  local server <const> = setmetatable({ sockets = {}, addresses = {}, is_open = true, service = current }, Server)
  return open_all(server, addresses, handler, options)
end

--- What pcall gave; an error is raised again as one of the script's call. To be tail-called by what the script calls.
local function returned(ok, ...)
  if ok then return ... end
  local value <const> = ...
  error(type(value) == "string" and value:gsub("^perigee/net%.lua:%d+: ", "") or value, 2)
end

local function check_serve(urls, handler)
  if type(urls) == "string" then urls = { urls } end
  if type(urls) ~= "table" or #urls == 0 then
    error("bad argument 'addresses' (a URL or a list of URLs expected)", 3)
  end
  if type(handler) ~= "function" then error("bad argument 'handler' (a function expected)", 3) end
  return urls
end

--- Serves one or more addresses. On tcp:// and unix: the handler runs in a task for each connection, handler(conn), and
--- the connection is closed when it ends. On udp:// it runs for each datagram, handler(message, from, socket), and a
--- string that it returns is the reply. While a script is loaded, a failure raises: a service that cannot listen does
--- not load.
---
--- Options: timeout (seconds that a read or write may wait, default 300), max_connections, high_water (bytes queued
--- before a writer waits, default 256 KiB), backlog, nodelay (default true), keepalive (seconds or false, default 60),
--- reuseport, v6only, receive_buffer, send_buffer (bytes); of udp: max_tasks (default 1024), broadcast.
---@param urls string|string[]
---@param handler function
---@param options table?
---@return perigee.Server? server
---@return string? message
---@return string? code "exists": the address is in use; "denied", "unreachable"
function M.serve(urls, handler, options)
  urls = check_serve(urls, handler)
  local current <const> = service.current()
  local ok <const>, server <const>, message <const>, code <const> = pcall(serve, urls, handler, options)
  if not ok then return returned(false, server) end
  if current and server then table.insert(current.servers, server) end
  if current and current.loading and not server then error(message, 2) end
  return server, message, code
end

local function check_url(url)
  if type(url) ~= "string" and type(url) ~= "userdata" then error("bad argument 'url' (a URL expected)", 3) end
end

local function check_options(options)
  if options ~= nil and type(options) ~= "table" then error("bad argument 'options' (a table expected)", 3) end
  local timeout <const> = options and options.timeout
  if timeout ~= nil and not (type(timeout) == "number" and timeout > 0) then
    error("option 'timeout' must be seconds above 0, not " .. tostring(timeout), 3)
  end
end

local function connect(url, options)
  local timeout <const> = options and options.timeout
  local began <const> = task.now()
  local addresses <const>, message <const>, code <const> = address.lookup(url, timeout)
  if not addresses then return nil, message, code end
  local left <const> = timeout and math.max(0, began + timeout - task.now())
  local conn <const>, why <const>, short <const> = connection.connect(addresses, left, options)
  if not conn then return nil, why, short end
  if timeout then conn.timeout = timeout end
  return conn
end

--- Connects to tcp:// or unix:. All addresses of a name are tried, a second one when the first is slow (RFC 8305).
---
--- Options: timeout (seconds for the whole connect, default 30; then also for each read and write of the connection),
--- nodelay, keepalive, receive_buffer, send_buffer.
---@param url string
---@param options table?
---@return any? connection
---@return string? message
---@return string? code "timeout" "refused" "unreachable" ...
function M.connect(url, options)
  check_url(url)
  check_options(options)
  return returned(pcall(connect, url, options))
end

local function open_datagram(url, options)
  local remote
  local rest <const> = {}
  for name, value in pairs(options or {}) do rest[name] = value end
  if rest.connect then
    local found <const>, message <const>, code <const> = address.lookup(rest.connect)
    if not found then return nil, message, code end
    remote, rest.connect = found[1], nil
  end
  if not url and remote then return datagram.open(nil, remote, rest) end
  local found <const>, message <const>, code <const> = address.lookup(url or "udp://0.0.0.0:0")
  if not found then return nil, message, code end
  return datagram.open(found[1], remote, rest)
end

--- Opens a datagram socket: bound to `url` (udp://), or to any free port. With options.connect = URL it sends to that
--- address, and receives from it alone.
---
--- Options: connect, timeout (seconds that receive waits, default none), broadcast, reuseport, v6only, receive_buffer,
--- send_buffer.
---@param url string? default udp://0.0.0.0:0
---@param options table?
---@return any? socket
---@return string? message
---@return string? code
function M.udp(url, options)
  if url ~= nil then check_url(url) end
  check_options(options)
  return returned(pcall(open_datagram, url, options))
end

--- Two connections of this process that are connected with each other.
---@return any a
---@return any b
M.pair = connection.pair

--- The addresses that a URL stands for.
---@param url string
---@param seconds number? to wait at most, default 10
---@return any[]? addresses
---@return string? message
---@return string? code
M.lookup = address.lookup

--- Asks these name servers instead of the system's: "127.0.0.1:53,[::1]:53".
---@param servers string
M.name_servers = address.name_servers

return M
