--- MessagePack-RPC over streams: the client's side. Many tasks call on one connection; it is made with the first call, and
--- made again with the next one when it has broken.

local core <const> = require "core.task"
local fault <const> = require "perigee.rpc.fault"
local in_flight <const> = require "perigee.rpc.in_flight"
local json <const> = require "perigee.codec.json"
local msgpack <const> = require "perigee.codec.msgpack"
local net <const> = require "perigee.net"
local writer <const> = require "perigee.rpc.writer"

local REQUEST <const>, RESPONSE <const>, NOTIFICATION <const> = 0, 1, 2
local ID_MAX <const> = 0xffffffff
local SECONDS <const> = 30  -- default time of a call
local QUIET <const> = 1     -- seconds without a call, after which it is looked whether the server is still there
local LOOK <const> = 0.001  -- seconds that this takes

local M <const> = {}

---@class perigee.rpc.msgpack.Client
---@field url string
---@field options table
---@field link perigee.rpc.msgpack.Link? the connection
---@field connecting perigee.Waitlist? of those who wait for another one's connecting
local Client <const> = { __name = "perigee.rpc.msgpack.Client" }
Client.__index = Client

--- One connection.
---@class perigee.rpc.msgpack.Link
---@field conn perigee.Connection
---@field messages perigee.Reader
---@field output perigee.rpc.Writer
---@field calls perigee.rpc.InFlight
---@field id integer of the last call
---@field used number when there was a call, on the loop's clock

--- What a response says: its id, and then what InFlight:wait is to return.
local function parse(kind, id, failure, result)
  if kind == nil then return nil, id, failure end
  if kind ~= RESPONSE or math.type(id) ~= "integer" then return nil, "the server sends what is no response", "protocol" end
  if failure == nil then return id, true, result end
  if type(failure) ~= "table" then return id, false, fault.new(fault.codes.APPLICATION, tostring(failure)) end
  local code <const>, message <const> = math.tointeger(failure.code or failure[1]), failure.message or failure[2]
  return id, false, fault.new(code or fault.codes.APPLICATION, tostring(message or "an error"), failure.data)
end

local function link_of(conn, limit)
  local link <const> = { conn = conn, output = writer.new(conn), id = 0, used = core.now(),
    messages = msgpack.reader(conn, { list = true, limit = limit }) }
  link.calls = in_flight.new(function(seconds)
    conn.timeout = seconds
    return parse(link.messages:next())
  end)
  return link
end

local function connect(self, seconds)
  self.connecting = core.waitlist()
  local _ <close> = setmetatable({}, { __close = function()
    self.connecting:wake(math.huge)
    self.connecting = nil
  end })
  local conn <const>, message <const>, code <const> = net.connect(self.url, { timeout = seconds, tls = self.options.tls,
    server_name = self.options.server_name })
  if not conn then return nil, message, code end
  self.link = link_of(conn, self.options.limit)
  return self.link
end

local function drop(self, link)
  link.conn:close()
  if self.link == link then self.link = nil end
end

--- A server that has gone is noticed before a call is lost to it.
local function is_alive(link)
  if link.calls.failure or not link.conn.is_open then return false end
  if link.calls.count > 0 or core.now() - link.used < QUIET then return true end
  local kind <const>, message <const>, code <const> = link.calls.receive(LOOK)
  if kind == nil and code ~= "timeout" then link.calls:fail(message, code) end
  return not link.calls.failure
end

--- The connection, made if need be.
local function link_within(self, seconds)
  while self.connecting do
    if not self.connecting:wait(seconds) then return nil, "connect: no connection in time", "timeout" end
  end
  if self.is_closed then return nil, "call: the client is closed", "closed" end
  local link <const> = self.link
  if link and is_alive(link) then return link end
  if link then drop(self, link) end
  return connect(self, seconds)
end

--- An array of exactly these, whatever is nil.
local function list_of(arguments)
  local list <const> = json.array {}
  for index = 1, arguments.n or #arguments do
    list[index] = arguments[index] == nil and json.null or arguments[index]
  end
  return list
end

local function fail(self, name, message, code)
  return nil, ("call %s at %s: %s"):format(name, self.url, message), code
end

local function finish(self, link, name, ok, ...)
  if ok ~= nil then return ok, ... end
  local message <const>, code <const> = ...
  if link.calls.failure then drop(self, link) end
  return fail(self, name, message, code)
end

--- Calls a method and waits for its answer.
---@param name string
---@param arguments table with n
---@param seconds number? at most, default 30
---@return boolean? ok nil: there is no answer
---@return any result the perigee.rpc.Fault when not ok; the message when there is no answer
---@return string? code "timeout" "closed" "refused" "protocol" ...: after those the call may have been done or not
function Client:call(name, arguments, seconds)
  local began <const> = core.now()
  seconds = seconds or self.options.timeout or SECONDS
  local link <const>, message <const>, code <const> = link_within(self, seconds)
  if not link then return fail(self, name, message, code) end
  link.id, link.used = link.id + 1 & ID_MAX, began
  local id <const> = link.id
  local bytes <const> = msgpack.encode_list(REQUEST, id, name, list_of(arguments))
  local slot <close> = link.calls:open(id)
  local sent <const>, why <const>, short <const> = link.output:write(bytes)
  if not sent then
    link.calls:fail(why, short)
    return finish(self, link, name, nil, why, short)
  end
  return finish(self, link, name, link.calls:wait(slot, seconds - (core.now() - began)))
end

--- Calls a method without an answer.
---@param name string
---@param arguments table with n
---@return true? sent
---@return string? message
---@return string? code
function Client:notify(name, arguments)
  local link <const>, message <const>, code <const> = link_within(self, self.options.timeout or SECONDS)
  if not link then return fail(self, name, message, code) end
  return link.output:write(msgpack.encode_list(NOTIFICATION, name, list_of(arguments)))
end

--- Closes the connection: calls that wait fail with "closed".
function Client:close()
  self.is_closed = true
  if not self.link then return end
  self.link.calls:fail("the client is closed", "closed")
  drop(self, self.link)
end

Client.__close, Client.__gc = Client.close, Client.close

--- A client; it connects with the first call. Options: timeout (seconds of a call, default 30), limit (bytes of an answer,
--- default 1 MiB), and of tls:// tls and server_name as in net.connect.
---@param url string tcp:// tls:// unix:
---@param options table?
---@return perigee.rpc.msgpack.Client
function M.connect(url, options)
  return setmetatable({ url = url, options = options or {} }, Client)
end

return M
