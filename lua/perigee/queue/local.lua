--- Queues of one machine: in the directory of a place, which processes share. Of those who take in one process the
--- first is served first; of two processes whoever is quicker.

local buses <const> = require "perigee.bus.local"
local class <const> = require "perigee.queue.class"
local core <const> = require "core.task"
local environments <const> = require "perigee.backend.environment"
local failure <const> = require "perigee.queue.failure"
local line <const> = require "perigee.queue.line"
local system <const> = require "core.system"

local TOPIC <const> = "\0queue:" -- of the bus: a job was put into the queue of this name, by the one who is told

local closed <const>, lost <const> = failure.closed, failure.lost

---@class perigee.queue.Local: perigee.queue.Backend
---@field attempts integer
---@field package environment perigee.Durable
---@field package jobs perigee.DurableQueue
---@field package line perigee.queue.Line the takers
---@field package scope perigee.Scope
---@field package bus perigee.Bus? nil: of a place that has none, as in specs
---@field package is_open boolean
---@field package users integer of the environment: attempts under way, and one while it is open
local Local <const> = {}
Local.__index = Local

--- A job has come: takers here, and in other processes, may have it.
local function tell(self)
  self.line:expect()
  if self.bus then self.bus:publish(self.topic, self.id) end
end

function Local:put(text, delay)
  local id <const>, message <const>, code <const> = self.jobs:put(text, delay)
  if id then tell(self) end
  return id, message, code
end

--- The last one who uses the environment closes it.
local function let_go(self)
  self.users = self.users - 1
  if self.users == 0 then self.environment:close() end
end

--- One attempt. The line asks for it when it is somebody's turn.
local function try(self)
  self.users = self.users + 1
  local _ <close> = setmetatable({}, { __close = function() let_go(self) end })
  local id <const>, text <const>, deliveries <const>, behind <const>, failed <const> =
    self.jobs:take(self.lease, self.attempts)
  failure.put_aside(self, failed)
  if not id then return id, text, deliveries end
  if self.is_open then return { id = id, text = text, deliveries = deliveries }, behind end
  self.jobs:release_soon(id, deliveries)
  return closed "take"
end

function Local:take(seconds)
  if not self.is_open then return closed "take" end
  local job <const>, message <const>, code <const> = self.line:take(seconds)
  return job, message, code
end

function Local:done(job)
  local done <const>, message <const>, code <const> = self.jobs:done(job.id, job.deliveries)
  if done == false then return lost("done", job) end
  return done, message, code
end

function Local:release(job, delay)
  local released <const>, message <const>, code <const> =
    self.jobs:release(job.id, job.deliveries, delay, self.attempts)
  if released == false then return lost("release", job) end
  if released then tell(self) end
  return released, message, code
end

function Local:release_soon(job, delay)
  self.jobs:release_soon(job.id, job.deliveries, delay, self.attempts)
  if self.is_open then tell(self) end
end

function Local:untake_soon(job)
  self.jobs:untake_soon(job.id, job.deliveries)
  if self.is_open then tell(self) end
end

function Local:extend(jobs)
  local held <const>, by_id <const> = {}, {}
  for i, job in ipairs(jobs) do
    held[2 * i - 1], held[2 * i] = job.id, job.deliveries
    by_id[job.id] = job
  end
  local ids <const>, message <const>, code <const> = self.jobs:extend(self.lease, held)
  if not ids then return nil, message, code end
  for i, id in ipairs(ids) do ids[i] = by_id[id] end
  return ids
end

function Local:counts()
  local waiting <const>, taken <const>, failed <const> = self.jobs:counts()
  if not waiting then return nil, taken, failed end
  return { waiting = waiting, taken = taken, failed = failed }
end

function Local:failed()
  local list <const> = {}
  repeat
    local last <const> = list[#list]
    local some <const>, more <const>, code <const> = self.jobs:failed(last and last.id)
    if not some then return nil, more, code end
    table.move(some, 1, #some, #list + 1, list)
    if more then core.sleep(0) end -- others have their turn
  until not more
  return list
end

function Local:retry(id)
  if math.type(id) ~= "integer" then return false end
  local retried <const>, message <const>, code <const> = self.jobs:retry(id)
  if retried then tell(self) end
  return retried, message, code
end

function Local:close()
  if not self.is_open then return end
  self.is_open = false
  self.line:close()
  self.scope:cancel()
  if self.bus then self.bus:close() end
  let_go(self)
end

--- Expects a job whenever another one tells of one.
local function listen(self, subscription)
  for id in subscription do
    if id ~= self.id then self.line:expect() end
  end
end

--- Listens to the others; where there is no bus its takers look every second.
local function join(self, place)
  if not place.members then return true end
  local bus <const>, message <const>, code <const> = buses.open(place)
  if not bus then return nil, message, code end
  self.bus = bus
  local subscription <const>, why <const>, word <const> = bus:subscribe(self.topic)
  if not subscription then return nil, why, word end
  self.scope:spawn(listen, self, subscription)
  return true
end

local last_number = 0

local function new(environment, jobs, title, name, lease, attempts)
  last_number = last_number + 1
  local self <const> = setmetatable({ environment = environment, jobs = jobs, lease = lease, attempts = attempts,
    name = title, topic = TOPIC .. name, id = ("%d %d"):format(system.pid(), last_number), scope = core.scope(),
    is_open = true, users = 1 }, Local)
  self.line = line.new(self.scope, function() return try(self) end)
  return self
end

local M <const> = {}

--- Opens a queue of a place.
---@param place perigee.Place
---@param name string at most 255 bytes
---@param options { lease: number?, attempts: integer?, size: integer? }? see perigee.queue.open; size: bytes that all
--- stores and queues of the place may take, as the first one of a process says; default 8 GiB, in memory 1 GiB
---@return perigee.Jobs?
---@return string? message
---@return string? code
function M.open(place, name, options)
  local lease <const>, attempts <const>, rest <const> = class.check(name, options, 2)
  local size <const> = rest.size
  rest.size = nil
  local unknown <const> = next(rest)
  if unknown ~= nil then error(("there is no option '%s'"):format(tostring(unknown)), 2) end
  local environment <const>, jobs <const>, title <const> = environments.open(place, "queue", name, size)
  if not environment then return nil, jobs, title end
  local self <const> = new(environment, jobs, title, name, lease, attempts)
  local joined <const>, message <const>, code <const> = join(self, place)
  if joined then return class.new(self) end
  self:close()
  return nil, message, code
end

return M
