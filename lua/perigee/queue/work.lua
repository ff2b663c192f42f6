--- The work of queue:work: one job after the other, each with what becomes of it.

local arguments <const> = require "perigee.backend.arguments"
local checked <const> = require "perigee.options"
local log <const> = require "perigee.log"
local traceback <const> = require "perigee.service.traceback"

local M <const> = {}

local names <const> = { parallel = true, delay = true }

--- Checks the options of queue:work, and raises at the line that has called it.
---@param options { parallel: integer?, delay: number? }?
---@param delay number default
---@return integer parallel
---@return number delay seconds
function M.check(options, delay)
  local given <const> = options == nil and {} or options
  checked.check_names(given, names, 3)
  local parallel <const> = given.parallel or 1
  if math.type(parallel) ~= "integer" or parallel < 1 then
    error("option 'parallel' must be a positive integer, not " .. tostring(parallel), 3)
  end
  local seconds <const> = given.delay or delay
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds <= arguments.FAR) then
    error("option 'delay' must be seconds of 0 or more, not " .. tostring(seconds), 3)
  end
  return parallel, seconds
end

--- Does one job. An error is logged, and the job given back.
---@param job perigee.Job
---@param f fun(text: string, job: perigee.Job)
---@param delay number seconds before it is tried again
function M.run(job, f, delay)
  local _ <close> = job
  local name <const> = job.queue.name
  local ok <const>, failure <const> = xpcall(f, traceback.handler, job.text, job)
  if not ok and type(failure) ~= "table" then error(failure, 0) end -- it was interrupted
  if not ok then
    local is_last <const> = job.deliveries >= job.queue.backend.attempts
    log.error((is_last and "the job has failed for good: " or "the job has failed: ") .. failure.message,
      { queue = name, job = tostring(job.id), deliveries = job.deliveries, traceback = failure.traceback })
    if job:is_held() then job:release(delay) end
    return
  end
  if not job:is_held() then return end -- f has done it, or given it back; or its lease was lost
  local done <const>, message <const> = job:done()
  if not done then log.warn("queue: a job may be done twice", { queue = name, reason = message }) end
end

return M
