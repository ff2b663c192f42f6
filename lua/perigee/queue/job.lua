--- Jobs that were taken from a queue.

local arguments <const> = require "perigee.backend.arguments"
local core <const> = require "core.task"

--- A job that this process has taken. When it is closed or collected without having been done it is given back.
---@class perigee.Job
---@field text string
---@field id any
---@field deliveries integer how often it was taken, this time included
---@field taken perigee.queue.Taken
---@field queue perigee.Jobs
local Job <const> = { __name = "perigee.job" }

function Job:__index(name)
  if name == "text" or name == "id" or name == "deliveries" then return self.taken[name] end
  return Job[name]
end

function Job:__tostring()
  return ("job %s of %s"):format(tostring(self.id), self.queue.name)
end

--- It is not ours any more: whether it was until now.
local function let_go(self)
  return self.queue.leases:let_go(self.taken)
end

--- Whether it is still ours: neither done nor given back, and its lease was not lost.
---@return boolean
function Job:is_held()
  return self.queue.leases:holds(self.taken)
end

local function lost(self, operation)
  return nil, ("%s: %s is not held any more"):format(operation, tostring(self)), "closed"
end

--- The work is done: the job is gone for good.
---@return true? done
---@return string? message
---@return string? code "closed": its lease was lost, so that somebody else has got it or will; or it was done before
function Job:done()
  if not self:is_held() then return lost(self, "done") end
  local done <const>, message <const>, code <const> = self.queue.backend:done(self.taken)
  if done or code == "closed" then let_go(self) end
  return done, message, code
end

--- Gives it back: somebody gets it again.
---@param delay number? seconds before that
---@return true?
---@return string? message
---@return string? code "closed": it was not held any more
function Job:release(delay)
  arguments.check_seconds("delay", delay, arguments.FAR)
  if not let_go(self) then return lost(self, "release") end
  return self.queue.backend:release(self.taken, delay)
end

--- Gives it back, unless it is done. Does not wait.
function Job:close()
  if let_go(self) then self.queue.backend:release_soon(self.taken) end
end

--- As close; but where the task was interrupted, which is not the job's fault, as if it had not been taken.
---@param failure any why the variable is closed
function Job:__close(failure)
  if not core.is_interruption(failure) then return self:close() end
  if let_go(self) then self.queue.backend:untake_soon(self.taken) end
end

Job.__gc = Job.close

--- Makes the job of a queue.
---@param queue perigee.Jobs which holds it
---@param taken perigee.queue.Taken
---@return perigee.Job
return function(queue, taken)
  return setmetatable({ taken = taken, queue = queue }, Job)
end
