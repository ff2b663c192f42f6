--- Sending by many tasks on one connection: whole messages, one after the other. What there is room for is sent at
--- once; only when a peer is slow the tasks wait for it, and for each other.

local core <const> = require "core.task"

local AROUND <const> = 256 -- bytes at most that a format puts around a message

local M <const> = {}

---@class perigee.rpc.Writer
---@field conn perigee.Connection? underneath, when it is known whether it has room
---@field room integer bytes that the connection queues before a writer waits
---@field send fun(bytes: string, ...: any): true?, string?, string? may wait for the peer
---@field busy boolean a task waits for the peer
---@field turn perigee.Waitlist
local Writer <const> = { __name = "perigee.rpc.Writer" }
Writer.__index = Writer

--- The task whose turn it is no longer waits.
function Writer:__close()
  self.busy = false
  self.turn:wake()
end

local function send_in_turn(self, ...)
  while self.busy do self.turn:wait() end
  local _ <close> = self
  self.busy = true
  return self.send(...)
end

--- Sends a message.
---@param seconds number? that this may take, default for ever; a message that was not sent by then has not begun, or is
--- queued as a whole
---@param bytes string
---@param ... any passed to `send`
---@return true? sent
---@return string? message
---@return string? code
function Writer:write(seconds, bytes, ...)
  if not self.busy and self.conn and self.conn.queued + #bytes <= self.room then return self.send(bytes, ...) end
  if seconds then return core.deadline(math.max(seconds, 0), send_in_turn, self, bytes, ...) end
  return send_in_turn(self, bytes, ...)
end

--- Waits while others wait for the peer: to be called before something is begun that will be answered.
function Writer:wait()
  while self.busy do self.turn:wait() end
  self.turn:wake()
end

---@param send fun(bytes: string, ...: any): true?, string?, string?
---@return perigee.rpc.Writer
function M.new(send)
  return setmetatable({ send = send, busy = false, turn = core.waitlist() }, Writer)
end

--- The same for a connection, into which `send` puts a message at once when there is room.
---@param conn perigee.Connection
---@param send (fun(bytes: string, ...: any): true?, string?, string?)? default conn:write
---@return perigee.rpc.Writer
function M.over(conn, send)
  local self <const> = M.new(send or function(bytes) return conn:write(bytes) end)
  self.conn, self.room = conn, math.max(conn.high_water - AROUND, 0)
  return self
end

return M
