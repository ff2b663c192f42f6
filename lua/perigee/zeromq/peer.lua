--- One connection of a socket: the handshake, and what is read after it.

local wire <const> = require "perigee.zeromq.wire"

local HANDSHAKE_SECONDS <const> = 10
local QUEUED <const> = 256 * 1024       -- bytes on their way to the peer, above which it is not read
local HIGH_WATER <const> = (1 << 31) - 1

---@class perigee.zeromq.Peer
---@field conn perigee.Connection
---@field kind string "REQ": the peer's kind of socket
---@field minor integer both speak ZMTP 3.minor
---@field dropped integer messages that it was too slow for
local Peer <const> = { __name = "perigee.zeromq.peer" }
Peer.__index = Peer

local function refuse(conn, why)
  conn:write(wire.command("ERROR", string.pack("s1", why:sub(1, 255))))
  return nil, why, "protocol"
end

local function agree(conn, socket)
  local kind <const>, name <const>, body <const> = wire.read(conn, socket.limit)
  if not kind then return nil, name, body end
  if kind == "command" and name == "ERROR" then
    return nil, ("the other side refuses: %s"):format(wire.shown(body:sub(2))), "refused"
  end
  if kind ~= "command" or name ~= "READY" then return refuse(conn, "READY expected") end
  local properties <const>, message <const> = wire.properties(body)
  if not properties then return refuse(conn, message) end
  local theirs <const> = properties["socket-type"] or ""
  if socket.partners[theirs] then return theirs end
  return refuse(conn, ("a %s socket cannot talk to a %s socket"):format(socket.kind, wire.shown(theirs)))
end

--- Shakes hands.
---@param socket perigee.zeromq.Socket
---@param conn perigee.Connection
---@return perigee.zeromq.Peer?
---@return string? message
---@return string? code
local function new(socket, conn)
  conn.timeout = HANDSHAKE_SECONDS
  conn:write(wire.greeting)
  local minor <const>, message <const>, code <const> = wire.read_greeting(conn)
  if not minor then return nil, message, code end
  conn:write(wire.ready(socket.kind))
  local kind <const>, why <const>, word <const> = agree(conn, socket)
  if not kind then return nil, why, word end
  conn.timeout, conn.high_water = math.huge, HIGH_WATER
  return setmetatable({ conn = conn, kind = kind, minor = math.min(minor, 1), dropped = 0 }, Peer)
end

--- The next message, or command other than those that are dealt with here. A peer that takes nothing is not read.
---@param limit integer bytes
---@return "command"|"message"|nil kind
---@return any value
---@return string? body
function Peer:read(limit)
  while true do
    if self.conn.queued > QUEUED then self.conn:flush() end
    local kind <const>, value <const>, body <const> = wire.read(self.conn, limit)
    if kind ~= "command" or value ~= "PING" then return kind, value, body end
    self.conn:write(wire.command("PONG", body:sub(3))) -- behind a time to live, in tenths of a second
  end
end

--- Sends a message, whole or not at all: one that is too slow misses it.
---@param bytes string see perigee.zeromq.wire.message
---@param most integer bytes that may be queued before
---@return boolean sent
function Peer:offer(bytes, most)
  if self.conn.queued > most then
    self.dropped = self.dropped + 1
    return false
  end
  return self.conn:write(bytes) == true
end

return { new = new }
