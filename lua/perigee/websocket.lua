--- The client's side of WebSocket (RFC 6455). The server's is app:websocket.
---   local socket <close> = assert(websocket.connect "ws://127.0.0.1:8801/chat")
---   socket:send "hello"
---   for text in socket:messages() do print(text) end

local address <const> = require "core.address"
local checked <const> = require "perigee.options"
local core <const> = require "core.websocket"
local digest <const> = require "core.digest"
local net <const> = require "perigee.net"
local public_url <const> = require "perigee.http.public_url"
local server <const> = require "perigee.server"
local task <const> = require "perigee.task"

local M <const> = {}

---@class perigee.WebSocket
---@field is_open boolean
---@field peer any
---@field close_code integer? why it ended (RFC 6455 7.4)
---@field queued integer bytes that wait to be sent
---@field is_quiet boolean it is open, and there is nothing to receive, as far as the loop has told; costs nothing
---@field is_retiring boolean receive does not wait: see retire

local GUID <const> = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

local schemes <const> = { ws = { "tcp://", ":80" }, wss = { "tls://", ":443" } }

--- ws://host:port/path?query as the address to connect to, the Host field and the target.
local function parse(url)
  if type(url) ~= "string" then error("bad argument 'url' (a string expected)", 0) end
  local shown <const> = public_url.hide(url)
  local scheme <const>, authority <const>, target <const> = url:match "^(%a+)://([^/?#]+)([^#]*)$"
  local transport <const> = scheme and schemes[scheme:lower()]
  if not transport then error(("url '%s': ws://host:port/path or wss:// is expected"):format(shown), 0) end
  if target:find "[%c\128-\255 ]" then error(("url '%s': its path must be percent-encoded"):format(shown), 0) end
  local port <const> = authority:match ":(%d+)$"
  local path <const> = target:sub(1, 1) == "/" and target or "/" .. target
  local at <const> = transport[1] .. (port and authority or authority .. transport[2])
  local ok <const>, message <const> = address.parse(at)
  if not ok then error(message, 0) end
  return at, authority, path
end

local names <const> = { timeout = true, headers = true, protocols = true, compress = true, limit = true, ping = true,
  tls = true, server_name = true }

local function is_token(value)
  return type(value) == "string" and value:find "^[%w!#$%%&'*+.^_`|~-]+$" ~= nil
end

local function check_list(options)
  if options.protocols == nil then return end
  if type(options.protocols) ~= "table" or #options.protocols == 0 then
    error("option 'protocols' must be a list", 0)
  end
  for _, name in ipairs(options.protocols) do
    if not is_token(name) then error(("option 'protocols': '%s' is no token"):format(tostring(name)), 0) end
  end
end

local function check(options)
  checked.check_names(options, names)
  core.check(options)
  check_list(options)
  if options.headers ~= nil and type(options.headers) ~= "table" then
    error("option 'headers' must be a table of strings by name", 0)
  end
end

local function header_lines(headers)
  local lines <const> = {}
  for name, value in pairs(headers or {}) do
    if not is_token(name) or type(value) ~= "string" or value:find "%c" then
      error(("header '%s': its name or value cannot be sent"):format(tostring(name)), 0)
    end
    lines[#lines + 1] = ("%s: %s\r\n"):format(name, value)
  end
  return table.concat(lines)
end

local function request_text(authority, target, key, options)
  local protocols <const> = options.protocols and table.concat(options.protocols, ", ")
  return table.concat {
    "GET ", target, " HTTP/1.1\r\nHost: ", authority, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ", key, "\r\n",
    protocols and "Sec-WebSocket-Protocol: " .. protocols .. "\r\n" or "",
    options.compress ~= false and "Sec-WebSocket-Extensions: " .. core.offer() .. "\r\n" or "",
    header_lines(options.headers), "\r\n",
  }
end

local function read_line(conn, deadline)
  local left <const> = deadline - task.now()
  if left <= 0 then return nil, "open a WebSocket: the server does not answer in time", "timeout" end
  conn.timeout = left
  return conn:read_line(8192)
end

--- Reads the fields of an answer; nil, message when it is none.
local function read_answer(conn, deadline)
  local first <const>, message <const>, code <const> = read_line(conn, deadline)
  if not first then return nil, message, code end
  local status <const> = first:match "^HTTP/1%.1 (%d%d%d)"
  if not status then return nil, "open a WebSocket: the server speaks no HTTP/1.1", "protocol" end
  local fields <const> = {}
  for _ = 1, 100 do
    local line <const>, why <const>, short <const> = read_line(conn, deadline)
    if not line then return nil, why, short end
    if line == "" then return math.tointeger(tonumber(status)), fields end
    local name, value = line:match "^([^%s:]+):%s*(.-)%s*$"
    if not name then return nil, "open a WebSocket: the server's answer has a bad header", "protocol" end
    name = name:lower()
    fields[name] = fields[name] and fields[name] .. ", " .. value or value
  end
  return nil, "open a WebSocket: the server's answer has too many headers", "protocol"
end

local function has_token(value, token)
  return ("," .. (value or ""):lower() .. ","):find(",%s*" .. token .. "%s*,") ~= nil
end

local function check_answer(status, fields, key, options)
  if status ~= 101 then return nil, ("open a WebSocket: the server answers %d"):format(status), "refused" end
  local expected <const> = digest.to_base64(digest.digest(key .. GUID, "sha1"))
  if (fields.upgrade or ""):lower() ~= "websocket" or not has_token(fields.connection, "upgrade")
    or fields["sec-websocket-accept"] ~= expected then
    return nil, "open a WebSocket: the server's handshake is wrong", "protocol"
  end
  if options.compress == false and fields["sec-websocket-extensions"] then
    return nil, "open a WebSocket: the server's extensions were not offered", "protocol"
  end
  local protocol <const> = fields["sec-websocket-protocol"]
  for _, offered in ipairs(options.protocols or {}) do
    if offered == protocol then return true end
  end
  if protocol then return nil, "open a WebSocket: the server chose a protocol that was not offered", "protocol" end
  return true
end

local function handshake(conn, request, key, options, deadline)
  local sent <const>, why <const>, short <const> = conn:write(request)
  if not sent then return nil, why, short end
  local status <const>, fields <const>, code <const> = read_answer(conn, deadline)
  if not status then return nil, fields, code end
  local ok <const>, message <const>, reason <const> = check_answer(status, fields, key, options)
  if not ok then return nil, message, reason end
  local core_options <const> = { limit = options.limit, ping = options.ping }
  local extensions <const> = fields["sec-websocket-extensions"]
  local socket <const>, problem <const>, kind <const> = core.client(conn, core_options, extensions)
  return socket, problem or fields["sec-websocket-protocol"], kind
end

local function connect(url, options)
  options = options == nil and {} or options
  check(options)
  local at <const>, authority <const>, target <const> = parse(url)
  local key <const> = digest.to_base64(digest.random(16))
  local request <const> = request_text(authority, target, key, options)
  local timeout <const> = options.timeout or 30
  local began <const> = task.now()
  local conn <close>, message <const>, code <const> = net.connect(at,
    { timeout = timeout, tls = options.tls, server_name = options.server_name })
  if not conn then return nil, message, code end
  local socket <const>, why <const>, short <const> = handshake(conn, request, key, options, began + timeout)
  if not socket then conn:abort() end -- what the server still sends is not waited for
  return socket, why, short
end

--- Connects to ws:// or wss://. Options: timeout (seconds for the whole handshake, default 30), headers, protocols (a
--- list), compress (default true), limit (bytes of a message, default 1 MiB), ping (seconds of silence before a ping,
--- default 30). The second value is the protocol that the server has chosen.
---@param url string
---@param options table?
---@return perigee.WebSocket? socket
---@return string? message
---@return string? code "refused": the server answers something else; "protocol", "timeout" ...
function M.connect(url, options)
  return server.returned(pcall(connect, url, options))
end

--- Raises for what connect would raise for.
---@param url string
---@param options table?
function M.check(url, options)
  return server.returned(pcall(function()
    check(options == nil and {} or options)
    parse(url)
  end))
end

return M
