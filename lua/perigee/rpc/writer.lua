--- Writing by many tasks on one connection: whole messages, one after the other. What there is room for is written at once;
--- only when a peer is slow the tasks wait for it, in their order.

local core <const> = require "core.task"

local M <const> = {}

---@class perigee.rpc.Writer
---@field conn perigee.Connection
---@field room integer bytes that the connection queues before a writer waits
---@field busy boolean a task waits for the peer
---@field turn perigee.Waitlist
local Writer <const> = { __name = "perigee.rpc.Writer" }
Writer.__index = Writer

local function write_in_turn(self, bytes)
  while self.busy do
    self.turn:wait()
  end
  local _ <close> = setmetatable({}, { __close = function()
    self.busy = false
    self.turn:wake()
  end })
  self.busy = true
  return self.conn:write(bytes)
end

--- Writes a message.
---@param bytes string
---@return true? written
---@return string? message
---@return string? code
function Writer:write(bytes)
  if self.busy or self.conn.queued + #bytes > self.room then return write_in_turn(self, bytes) end
  return self.conn:write(bytes)
end

--- Waits while the peer is slow.
---@return true? written
---@return string? message
---@return string? code
function Writer:drain()
  return write_in_turn(self, "")
end

---@param conn perigee.Connection
---@return perigee.rpc.Writer
function M.new(conn)
  return setmetatable({ conn = conn, room = conn.high_water, busy = false, turn = core.waitlist() }, Writer)
end

return M
