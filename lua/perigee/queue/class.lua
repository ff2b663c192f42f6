--- The class of every queue: it checks what scripts give, and gives back the jobs that are not done. What keeps the
--- jobs is a backend, one kind for each scheme of URLs.

local arguments <const> = require "perigee.backend.arguments"
local backend <const> = require "perigee.backend"
local checked <const> = require "perigee.options"
local core <const> = require "core.task"
local job_of <const> = require "perigee.queue.job"
local leases <const> = require "perigee.queue.leases"
local log <const> = require "perigee.log"
local service <const> = require "perigee.service"
local work <const> = require "perigee.queue.work"

local check_seconds <const>, describe <const> = arguments.check_seconds, arguments.describe
local closed <const> = require "perigee.queue.failure".closed

local LEASE <const>, ATTEMPTS <const> = 10, 10
local RETRY_SECONDS <const> = 1 -- before a job is taken again whose work has failed, and after a failure to take one

--- A job that was taken, as its backend knows it.
---@class perigee.queue.Taken
---@field id any
---@field text string
---@field deliveries integer how often it was taken, this time included

--- What keeps the jobs. Functions wait where it is not said otherwise. Failures return nil, message, code.
---@class perigee.queue.Backend
---@field name string for messages: "local: jobs"
---@field lease number seconds
---@field attempts integer deliveries before a job is put aside
---@field put fun(self, text: string, delay: number?): any?, string?, string? the id
---@field take fun(self, seconds: number?): perigee.queue.Taken?, string?, string? waits for a job; "timeout"; when the
--- task is interrupted no job is taken
---@field done fun(self, job: perigee.queue.Taken): true?, string?, string? "closed": the lease was lost
---@field release fun(self, job: perigee.queue.Taken, delay: number?): true?, string?, string? "closed"
---@field release_soon fun(self, job: perigee.queue.Taken, delay: number?) without waiting, also in a finalizer
---@field untake_soon fun(self, job: perigee.queue.Taken) the same, as if it had not been taken
---@field extend fun(self, jobs: perigee.queue.Taken[]): perigee.queue.Taken[]?, string?, string? those whose lease was
--- lost
---@field counts fun(self): { waiting: integer, taken: integer, failed: integer }?, string?, string?
---@field failed fun(self): { id: any, text: string, deliveries: integer }[]?, string?, string?
---@field retry fun(self, id: any): boolean?, string?, string? false: there is none
---@field close fun(self) without waiting; takers that wait get nil, message, "closed"

---@class perigee.Jobs
---@field is_open boolean
---@field name string
---@field package backend perigee.queue.Backend
---@field leases perigee.queue.Leases of the jobs that it has taken
local Queue <const> = { __name = "perigee.jobs" }
Queue.__index = Queue

local put_names <const> = { delay = true }

--- Puts a job in. When this returns it is kept, whatever happens to this process.
---@param text string
---@param options { delay: number? }? delay: seconds before it can be taken
---@return any? id
---@return string? message
---@return string? code "limit": the text is too large, or the queue is full
function Queue:put(text, options)
  arguments.check_string("text", text)
  local given <const> = options == nil and {} or options
  checked.check_names(given, put_names, 2)
  local delay <const> = check_seconds("delay", given.delay, arguments.FAR)
  if not self.is_open then return closed "put" end
  return self.backend:put(text, delay)
end

--- Takes a job; waits while there is none. It is ours until it is done or given back; when this process dies somebody
--- else gets it as soon as its lease has ended.
---@param seconds number? to wait at most
---@return perigee.Job? job
---@return string? message
---@return string? code "timeout"; "closed"
function Queue:take(seconds)
  check_seconds("seconds", seconds, math.huge)
  if not self.is_open then return closed "take" end
  if backend.is_checked() then return nil, "take: the script is only checked", "closed" end
  local taken <const>, message <const>, code <const> = self.backend:take(seconds)
  if not taken then return nil, message, code end
  if not self.is_open then
    self.backend:release_soon(taken)
    return closed "take"
  end
  self.leases:hold(taken)
  return job_of(self, taken)
end

--- Takes a job however long that takes; nil: the queue is closed.
local function take_patiently(self)
  local is_failing = false
  while self.is_open do
    local job <const>, message <const>, code <const> = self:take()
    if job or code == "closed" then return job end
    if not is_failing then log.warn("queue: no job can be taken", { queue = self.name, reason = message }) end
    is_failing = true
    core.sleep(RETRY_SECONDS)
  end
end

--- An iterator over jobs until the queue is closed. The loop's body says done() to each that is; one that is not done
--- is given back when the next one is taken, and at the end of the loop. When the task is interrupted (the service
--- stops, say) the job is given back as if it had not been taken.
---@return fun(): perigee.Job?
---@return nil
---@return nil
---@return any closing
function Queue:jobs()
  local current
  local function give_back(_, failure)
    if current then current:__close(failure) end
    current = nil
  end
  return function()
    give_back()
    current = take_patiently(self)
    return current
  end, nil, nil, setmetatable({}, { __close = give_back })
end

--- Does jobs until the queue is closed: f(text, job) for each. When f returns the job is done; when it raises, that is
--- logged, and the job is given back. One that is interrupted, as the service stops or is reloaded, is given back as if
--- it had not been taken.
---
--- Options: parallel (jobs at a time, default 1), delay (seconds before a job is tried again, default 1).
---@param f fun(text: string, job: perigee.Job)
---@param options { parallel: integer?, delay: number? }?
function Queue:work(f, options)
  if type(f) ~= "function" then error(("bad argument 'f' (a function expected, got %s)"):format(describe(f)), 2) end
  local parallel <const>, delay <const> = work.check(options, RETRY_SECONDS)
  local function work_on()
    local job = take_patiently(self)
    while job do
      work.run(job, f, delay)
      job = take_patiently(self)
    end
  end
  core.group(function(group)
    for _ = 1, parallel do group:spawn(work_on) end
  end)
end

--- How many jobs there are: that wait (also for the end of a delay), that are taken, and that have failed for good.
---@return { waiting: integer, taken: integer, failed: integer }?
---@return string? message
---@return string? code
function Queue:count()
  if not self.is_open then return closed "count" end
  return self.backend:counts()
end

--- The jobs that were taken too often without being done.
---@return { id: any, text: string, deliveries: integer }[]?
---@return string? message
---@return string? code
function Queue:failed()
  if not self.is_open then return closed "failed" end
  return self.backend:failed()
end

--- A job that has failed waits again, as if it were new.
---@param id any as failed() tells it
---@return boolean? retried false: there is none of that id that has failed
---@return string? message
---@return string? code
function Queue:retry(id)
  if id == nil then error("bad argument 'id' (that of a failed job expected, got nil)", 2) end
  if not self.is_open then return closed "retry" end
  return self.backend:retry(id)
end

--- Gives back the jobs that are taken, as if they had not been, and takes no more. Does not wait. Closing twice does
--- nothing.
function Queue:close()
  if not self.is_open then return end
  self.is_open = false
  self.leases:close()
  self.backend:close()
end

Queue.__close = Queue.close
Queue.__gc = Queue.close

function Queue:__tostring()
  return ("queue: %s%s"):format(self.name, self.is_open and "" or " (closed)")
end

local M <const> = {}

--- Checks the options that every queue has, and raises with a level as of error, from the caller.
---@param name string
---@param options table?
---@param level integer
---@return number lease seconds
---@return integer attempts
---@return table rest the options that this does not know
function M.check(name, options, level)
  if type(name) ~= "string" or name == "" then
    error("bad argument 'name' (a name for the queue expected)", level + 1)
  end
  if options ~= nil and type(options) ~= "table" then error("bad argument 'options' (a table expected)", level + 1) end
  local rest <const> = {}
  for key, value in pairs(options or {}) do rest[key] = value end
  local lease <const>, attempts <const> = rest.lease or LEASE, rest.attempts or ATTEMPTS
  rest.lease, rest.attempts = nil, nil
  if type(lease) ~= "number" or not (lease > 0 and lease < math.huge) then
    error("option 'lease' must be seconds above 0, not " .. tostring(lease), level + 1)
  end
  if math.type(attempts) ~= "integer" or attempts < 1 then
    error("option 'attempts' must be a positive integer, not " .. tostring(attempts), level + 1)
  end
  return lease, attempts, rest
end

--- Makes a queue, which closes its backend. It is closed when the version of the service that has opened it ends.
---@param keeper perigee.queue.Backend
---@return perigee.Jobs
function M.new(keeper)
  local queue <const> = setmetatable({ backend = keeper, name = keeper.name, is_open = true,
    leases = leases.new(keeper) }, Queue)
  service.close_at_end(queue)
  return queue
end

return M
