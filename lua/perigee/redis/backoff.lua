--- How long to wait before the next attempt to connect: longer after each failure, and never the same, so that a
--- thousand clients of one server do not all come back in the same moment.

local core <const> = require "core.task"

---@class perigee.redis.Backoff
---@field first number seconds
---@field longest number seconds
---@field failures integer in a row
---@field not_before number on the loop's clock: when the next attempt may begin
---@field is_warned boolean the log says that there is no connection
local Backoff <const> = {}
Backoff.__index = Backoff

--- An attempt has failed, or a connection has ended too soon.
function Backoff:failed()
  local delay <const> = math.min(self.first * 2 ^ self.failures, self.longest)
  self.failures = math.min(self.failures + 1, 64)
  self.not_before = core.now() + delay * (0.5 + math.random() / 2)
end

--- A connection has ended that lasted so many seconds. One that has lasted is no reason to wait.
function Backoff:ended(seconds)
  if seconds >= self.longest then self.failures = 0 end
  self:failed()
end

--- Waits until the next attempt may begin.
function Backoff:wait()
  local seconds <const> = self.not_before - core.now()
  if seconds > 0 then core.sleep(seconds) end
end

---@param delays number[] the first and the longest, seconds
---@return perigee.redis.Backoff
return function(delays)
  return setmetatable({ first = delays[1], longest = delays[2], failures = 0, not_before = -math.huge,
    is_warned = false }, Backoff)
end
