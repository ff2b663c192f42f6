--- The failures of queues, as what they return: nil, message, code; and of jobs, in the log.

local log <const> = require "perigee.log"

local M <const> = {}

---@param operation string
---@return nil, string message, "closed" code
function M.closed(operation)
  return nil, operation .. ": the queue is closed", "closed"
end

--- A job is somebody else's now, or will be.
---@param operation string
---@param job perigee.queue.Taken
---@return nil, string message, "closed" code
function M.lost(operation, job)
  return nil, ("%s: the lease of job %d was lost"):format(operation, job.id), "closed"
end

--- Jobs were put aside, since they were taken too often by others who have ended without having done them.
---@param queue perigee.queue.Backend
---@param ids integer[]? nil: none
function M.put_aside(queue, ids)
  for _, id in ipairs(ids or {}) do
    log.failure("queue: a job has failed for good: who had taken it has ended each time",
      { queue = queue.name, job = tostring(id), deliveries = queue.attempts })
  end
end

return M
