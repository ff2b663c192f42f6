--- MessagePack-RPC over streams (github.com/msgpack-rpc/msgpack-rpc, spec.md): the client's side. Many tasks call on
--- one connection.

local fault <const> = require "perigee.rpc.fault"
local in_flight <const> = require "perigee.rpc.in_flight"
local msgpack <const> = require "perigee.codec.msgpack"
local net <const> = require "perigee.net"
local pipelined <const> = require "perigee.rpc.pipelined"
local writer <const> = require "perigee.rpc.writer"

local REQUEST <const>, RESPONSE <const>, NOTIFICATION <const> = 0, 1, 2

local SKIPPED <const> = msgpack.null
local NOBODY <const> = in_flight.NOBODY

local M <const> = {}

--- What others say of an error: { code =, message =, data = } as we do, { code, message }, or anything.
local function fault_of(failure)
  if type(failure) ~= "table" then return fault.new(fault.codes.APPLICATION, tostring(failure)) end
  local code <const>, message <const> = math.tointeger(failure.code or failure[1]), failure.message or failure[2]
  return fault.new(code or fault.codes.APPLICATION, tostring(message or "an error"), failure.data)
end

--- An answer in which there is what Lua has not: only its call fails.
local function unreadable(message, kind, id)
  if kind == REQUEST or kind == NOTIFICATION then return NOBODY end
  if kind == RESPONSE and math.type(id) == "integer" then return id, nil, message, "protocol" end
  return nil, message, "protocol"
end

local function answer_of(kind, id, failure, result, ...)
  if kind == SKIPPED then return unreadable("the server's answer: " .. tostring(id), result, ...) end
  if kind == nil and type(id) == "string" and type(failure) == "string" then return nil, id, failure end
  if kind == REQUEST or kind == NOTIFICATION then return NOBODY end -- a call of the server's: there are no methods here
  if kind ~= RESPONSE then return nil, "the server sends what is no response", "protocol" end
  if id == nil and failure ~= nil then -- whose call that was, nobody knows
    return nil, "the server could not read a call: " .. fault_of(failure).message, "protocol"
  end
  if math.type(id) ~= "integer" then return nil, "the server sends a response without an id", "protocol" end
  if failure == nil then return id, true, result end
  return id, false, fault_of(failure)
end

local function open(url, options, seconds)
  local conn <const>, message <const>, code <const> = net.connect(url, { timeout = seconds, tls = options.tls,
    server_name = options.server_name })
  if not conn then return nil, message, code end
  local messages <const> = msgpack.reader(conn, { list = true, skip = true, limit = options.limit })
  local output <const> = writer.over(conn)
  return {
    receive = function(left)
      conn.timeout = left
      return answer_of(messages:next())
    end,
    send = function(bytes, left) return output:write(left, bytes) end,
    is_open = function() return conn.is_open end,
    is_quiet = function() return conn.is_quiet end,
    close = function() conn:close() end,
  }
end

local function encode(name, arguments, id)
  if id then return msgpack.encode_call(arguments, REQUEST, id, name) end
  return msgpack.encode_call(arguments, NOTIFICATION, name)
end

--- A client; it connects with the first call. Options: timeout (seconds of a call, default 30), limit (bytes of an
--- answer, default 1 MiB), and of tls:// tls and server_name as in net.connect.
---@param url string tcp:// tls:// unix:
---@param options table?
---@return perigee.rpc.Pipelined
function M.connect(url, options)
  return pipelined.new(url, options or {}, { open = open, encode = encode })
end

return M
