--- Times in the words of commands, and what they are on the loop's clock.

local codec <const> = require "perigee.codec.resp"
local task <const> = require "perigee.task"

local LONGEST <const> = 1 << 53 -- milliseconds that a key may live

---@class perigee.resp.Unit
---@field [1] integer milliseconds
---@field from_1970 boolean? it counts from there, not from now

local M <const> = {
  ---@type table<string, perigee.resp.Unit>
  units = { EX = { 1000 }, PX = { 1 }, EXAT = { 1000, from_1970 = true }, PXAT = { 1, from_1970 = true } },
}

--- The time on the loop's clock that a number of units means, or nil when there is no such time.
---@param unit perigee.resp.Unit
---@param number integer
---@return number?
function M.at(unit, number)
  local most <const> = LONGEST // unit[1]
  if number > most or number < -most then return end
  local seconds <const> = number * unit[1] / 1000
  return task.now() + seconds - (unit.from_1970 and os.time() or 0)
end

--- The error for a time that a command cannot take.
---@param name string of the command, in lower case
---@return perigee.resp.Error
function M.bad(name)
  return codec.error(("ERR invalid expire time in '%s' command"):format(name))
end

return M
