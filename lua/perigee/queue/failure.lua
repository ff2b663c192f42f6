--- The failures of queues, as what they return: nil, message, code.

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

return M
