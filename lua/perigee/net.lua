--- Sockets: serve, connect, datagrams. Addresses are URLs: tcp://127.0.0.1:7000 tcp://[::1]:7000 udp://name:53
--- unix:/path unix:@abstract. Expected failure returns nil, message, code; misuse raises.

local address <const> = require "core.address"
local connection <const> = require "core.connection"
local datagram <const> = require "core.datagram"
local listener <const> = require "core.listener"
local task <const> = require "core.task"
local checked <const> = require "perigee.options"
local server <const> = require "perigee.server"
local tls <const> = require "perigee.tls"

local M <const> = {}

local returned <const> = server.returned

local function protocol_of(handler, options)
  if type(handler) ~= "function" then error("bad argument 'handler' (a function expected)", 0) end
  local protocol <const> = { handler = handler, options = options }
  function protocol.kind(at)
    return at.scheme == "udp" and "datagram" or "stream"
  end
  function protocol.open(at, given)
    if at.scheme == "udp" then return datagram.open(at, nil, given) end
    return listener.listen(at, handler, given)
  end
  function protocol.begin(socket, is_paused)
    if socket.pause then socket:pause(is_paused or false) else socket:serve(handler) end
  end
  function protocol.check(at, given)
    if at.scheme == "udp" then datagram.check(given) else listener.probe(at, given, false) end
  end
  function protocol.probe(at, given)
    if at.scheme ~= "udp" then return listener.probe(at, given) end
    local socket <const>, message <const>, code <const> = datagram.open(at, nil, given)
    if not socket then return nil, message, code end
    socket:close()
    return true
  end
  return protocol
end

local function serve(urls, handler, options)
  return server.serve(urls, protocol_of(handler, options))
end

--- Serves one or more addresses. On tcp://, tls:// and unix: the handler runs in a task for each connection,
--- handler(conn), and the connection is closed when it ends. On udp:// it runs for each datagram, handler(message,
--- from, socket), and a string that it returns is the reply. While a script is loaded, a failure raises: a service that
--- cannot listen does not load.
---
--- Options: timeout (seconds that a read or write may wait, default 300), max_connections, high_water (bytes queued
--- before a writer waits, default 256 KiB), backlog, nodelay (default true), keepalive (seconds or false, default 60),
--- reuseport, v6only, receive_buffer, send_buffer (bytes); of tls: tls (options or a context of perigee.tls, or
--- tls://host:port?certificate=FILE&key=FILE says it), handshake_timeout (seconds, default 10); of udp: max_tasks
--- (default 1024), broadcast; paused (accepts nothing by itself, serves what server:adopt gives it), keep_path (leaves
--- the file of a Unix socket when it closes).
---
--- In the place of a URL a listening descriptor, or one of a UDP socket, is taken over: see perigee.descriptor.
---@param urls string|perigee.Descriptor|(string|perigee.Descriptor)[]
---@param handler function
---@param options table?
---@return perigee.Server? server
---@return string? message
---@return string? code "exists": the address is in use; "denied", "unreachable"
function M.serve(urls, handler, options)
  return returned(pcall(serve, urls, handler, options))
end

local function check_url(url)
  if type(url) ~= "string" and type(url) ~= "userdata" then error("bad argument 'url' (a URL expected)", 3) end
end

local function check_options(options)
  if options == nil then return end
  if type(options) ~= "table" then error("bad argument 'options' (a table expected)", 3) end
  checked.check_seconds(options, "timeout", 3)
end

local function client_context(given)
  if given == nil then return tls.default() end
  if type(given) == "userdata" then return given end
  return tls.client(given)
end

--- The handshake on a new connection. The name in the URL is whose certificate the server must show.
local function secure(conn, url, options, seconds)
  local context <const>, message <const>, code <const> = client_context(options.tls)
  if not context then
    conn:close()
    return nil, message, code
  end
  local host <const> = tostring(url):match "^%a+://%[([^%]]+)%]" or tostring(url):match "^%a+://([^:/?#]+)"
  return conn:start_tls(context, { server_name = options.server_name or host, timeout = seconds, peer = tostring(url) })
end

local function connect(url, options)
  local timeout <const> = options and options.timeout
  local began <const> = task.now()
  local addresses <const>, message <const>, code <const> = address.lookup(url, timeout)
  if not addresses then return nil, message, code end
  local function left() return timeout and math.max(0, began + timeout - task.now()) end
  local rest <const> = {}
  for name, value in pairs(options or {}) do rest[name] = value end
  rest.tls, rest.server_name = nil, nil
  local conn, why, short = connection.connect(addresses, left(), rest)
  if conn and (addresses[1].scheme == "tls" or options and options.tls) then
    conn, why, short = secure(conn, url, options or {}, timeout and math.max(0.001, left()))
  end
  if not conn then return nil, why, short end
  if timeout then conn.timeout = timeout end
  return conn
end

--- Connects to tcp://, tls:// or unix:. All addresses of a name are tried, a second one when the first is slow (RFC
--- 8305).
---
--- Options: timeout (seconds for the whole connect, default 30; then also for each read and write of the connection),
--- nodelay, keepalive, receive_buffer, send_buffer; of tls: tls (options of perigee.tls.client, or a context),
--- server_name (whose certificate it must be, default the URL's host).
---@param url string
---@param options table?
---@return any? connection
---@return string? message
---@return string? code "timeout" "refused" "unreachable" "tls" ...
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
