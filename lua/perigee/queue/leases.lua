--- The jobs that a queue has taken, and their leases, which are extended as long as the jobs are held.

local core <const> = require "core.task"
local log <const> = require "perigee.log"

---@class perigee.queue.Leases
---@field package backend perigee.queue.Backend
---@field package held table<perigee.queue.Taken, true>
---@field package scope perigee.Scope of the task that extends them
---@field package is_extending boolean
local Leases <const> = {}
Leases.__index = Leases

local function list(self)
  local all <const> = {}
  for taken in pairs(self.held) do all[#all + 1] = taken end
  return all
end

--- Of those that are still held. A backend that cannot be reached is asked again before the leases have ended.
local function extend(self)
  local lost <const>, message <const> = self.backend:extend(list(self))
  if not lost then
    return log.warn("queue: leases are not extended", { queue = self.backend.name, reason = message })
  end
  for _, taken in ipairs(lost) do
    if self:let_go(taken) then
      log.warn("queue: the lease of a job was lost: somebody else gets it",
        { queue = self.backend.name, job = tostring(taken.id) })
    end
  end
end

local function extend_while_held(self)
  local _ <close> = setmetatable({}, { __close = function() self.is_extending = false end })
  while true do
    core.sleep(self.backend.lease / 3)
    if not next(self.held) then return end
    extend(self)
  end
end

--- A job was taken.
---@param taken perigee.queue.Taken
function Leases:hold(taken)
  self.held[taken] = true
  if self.is_extending then return end
  self.is_extending = true
  self.scope:spawn(extend_while_held, self)
end

---@param taken perigee.queue.Taken
---@return boolean
function Leases:holds(taken)
  return self.held[taken] == true
end

--- A job is not ours any more.
---@param taken perigee.queue.Taken
---@return boolean was_held until now
function Leases:let_go(taken)
  local was_held <const> = self:holds(taken)
  self.held[taken] = nil
  return was_held
end

--- Gives back what is held, as if it had not been taken.
function Leases:close()
  for _, taken in ipairs(list(self)) do self.backend:untake_soon(taken) end
  self.held = {}
  self.scope:cancel()
end

local M <const> = {}

---@param backend perigee.queue.Backend
---@return perigee.queue.Leases
function M.new(backend)
  return setmetatable({ backend = backend, held = {}, is_extending = false, scope = core.scope() }, Leases)
end

return M
