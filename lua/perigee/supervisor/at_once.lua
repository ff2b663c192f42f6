--- Asks several workers at the same time.

local core <const> = require "core.task"

--- Calls `f` with each slot, all at once, and waits for all.
---@param slots perigee.supervisor.Slot[]
---@param f fun(slot: perigee.supervisor.Slot): any
---@return any[] results in the order of the slots
return function(slots, f)
  local results <const> = {}
  core.group(function(group)
    for i, slot in ipairs(slots) do
      group:spawn(function() results[i] = f(slot) end)
    end
  end)
  return results
end
