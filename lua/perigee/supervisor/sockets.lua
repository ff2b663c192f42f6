--- Binding sockets for others, and recognising where a socket is bound.

local address <const> = require "core.address"
local descriptor <const> = require "core.descriptor"
local listener <const> = require "core.listener"
local targets <const> = require "perigee.server.targets"

local M <const> = {}

local OPTIONS <const> = {
  stream = { "backlog", "receive_buffer", "send_buffer", "keepalive", "nodelay", "v6only" },
  datagram = { "receive_buffer", "send_buffer", "v6only", "broadcast" },
}

---@param url string
---@return "stream"|"datagram"
function M.kind_of(url)
  return url:find "^udp:" and "datagram" or "stream"
end

M.place_of = targets.place_of

---@param url string
---@return string? place as of place_of
function M.place_of_url(url)
  local found <const> = address.lookup(url)
  return found and M.place_of(M.kind_of(url), found[1])
end

--- What the supervisor and its workers call an address of a service: the same whatever is spoken there.
---@param service string
---@param url string
---@param occurrence integer the service's first, second ... server of that place
---@return string
function M.key_of(service, url, occurrence)
  return ("%s %s %d"):format(service, M.place_of_url(url), occurrence)
end

--- Is it bound where any free port was asked for?
---@param url string
---@return boolean
function M.is_any_port(url)
  return not url:find "^unix:" and url:find ":0$" ~= nil
end

--- The same URL with a port in place of 0.
---@param url string
---@param port integer
---@return string
function M.with_port(url, port)
  return (url:gsub(":0$", ":" .. port))
end

--- Those of the options of a server that its socket has.
---@param kind "stream"|"datagram"
---@param given table?
---@return table
function M.options_of(kind, given)
  local options <const> = {}
  for _, name in ipairs(OPTIONS[kind]) do options[name] = given and given[name] end
  return options
end

local function open(kind, at, options)
  if kind == "datagram" then return descriptor.bind(at, options) end
  return descriptor.listen(at, options)
end

local function with(options, name, value)
  local more <const> = { [name] = value }
  for key, old in pairs(options) do more[key] = old end
  return more
end

--- The address whatever is spoken there: TLS begins in the worker.
local function plain(url)
  return url:find "^unix:" and url or (url:gsub("^%a+:", "tcp:"))
end

--- The message about a plain address as one about what it stands for.
local function about(url, message)
  local from <const>, to <const> = message:find(plain(url), 1, true)
  return from and message:sub(1, from - 1) .. url .. message:sub(to + 1) or message
end

--- Does somebody else have the address? A socket that shares its port would not notice.
local function probe(kind, url, options)
  if kind == "datagram" then
    local socket <const>, message <const>, code <const> = descriptor.bind(assert(address.lookup(url))[1], options)
    if socket then socket:close() end
    return socket and true, message, code
  end
  local free <const>, message <const>, code <const> = listener.probe(assert(address.lookup(plain(url)))[1], options)
  if free then return true end
  return nil, about(url, message), code
end

--- Binds an address. `sharing`: more sockets are to be bound there, which share its port.
---@param url string of an address, not of a name
---@param options table of options_of
---@param sharing "first"|"next"|nil
---@return perigee.Descriptor?
---@return string? message
---@return string? code
function M.bind(url, options, sharing)
  local kind <const> = M.kind_of(url)
  local found <const>, why <const>, word <const> = address.lookup(kind == "stream" and plain(url) or url)
  if not found then return nil, why, word end
  if sharing == "first" and not M.is_any_port(url) then
    local free <const>, problem <const>, short <const> = probe(kind, url, options)
    if not free then return nil, problem, short end
  end
  local given = sharing and with(options, "reuseport", true) or options
  if kind == "stream" then given = with(given, "keep_path", true) end
  local socket <const>, message <const>, code <const> = open(kind, found[1], given)
  if not socket then return nil, about(url, message), code end
  return socket
end

return M
