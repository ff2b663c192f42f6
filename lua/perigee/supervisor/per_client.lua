--- Processes for one client each: one more than there are clients, which waits for the next.

local M <const> = {}

--- Starts the process for the next client, unless there is one, or there are as many as there may be.
---@param supervisor perigee.Supervisor
local function keep_spare(supervisor)
  if supervisor.stopping or #supervisor.slots >= supervisor.limit then return end
  for _, slot in ipairs(supervisor.slots) do
    if not slot.is_spent then return end
  end
  supervisor.started = supervisor.started + 1
  supervisor:add_slot(supervisor.started)
end

--- The slot gets its only client.
---@param supervisor perigee.Supervisor
---@param slot perigee.supervisor.Slot
function M.spend(supervisor, slot)
  slot.is_spent = true
  keep_spare(supervisor)
end

--- The process of a slot has ended.
---@param supervisor perigee.Supervisor
---@param slot perigee.supervisor.Slot
function M.on_ended(supervisor, slot)
  if supervisor.stopping or slot.has_finished then return end
  for i, other in ipairs(supervisor.slots) do
    if other == slot then
      table.remove(supervisor.slots, i)
      break
    end
  end
  keep_spare(supervisor)
end

return M
