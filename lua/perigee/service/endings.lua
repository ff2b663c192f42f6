--- What the library does after a script has let go of something, and that the process waits for before it ends: a queue
--- gives jobs back to its server, say.

local core <const> = require "core.task"
local log <const> = require "perigee.log"

local SECONDS <const> = 3 -- that the process waits at most

local M <const> = {}

local count = 0 -- of tasks that are under way
local waiting -- a waitlist that is woken by each end, while somebody waits

--- Spawns a task that the process waits for.
---@param scope perigee.Scope that nobody cancels
---@param f function
---@param ... any its arguments
function M.spawn(scope, f, ...)
  count = count + 1
  scope:spawn(function(...)
    local _ <close> = setmetatable({}, { __close = function()
      count = count - 1
      if waiting then waiting:wake() end
    end })
    f(...)
  end, ...)
end

--- Waits until all of it is done, or too long.
function M.wait()
  local deadline <const> = core.now() + SECONDS
  waiting = core.waitlist()
  while count > 0 and core.now() < deadline do waiting:wait(deadline - core.now()) end
  waiting = nil
  if count > 0 then log.warn("the process ends before servers have heard what it gives back", { tasks = count }) end
end

return M
