--- The services of one process, from load to end.

local core <const> = require "core.task"
local log <const> = require "perigee.log"
local tls <const> = require "perigee.tls"

local ON_STOP_SECONDS <const> = 0.1 -- that on_stop has at least, also when connections get no time
local SILENCE_SECONDS <const> = 5   -- after which an idle client of HTTP is closed, when another process takes over

---@class perigee.service.Run
---@field services perigee.Service[]
---@field drain number seconds that connections may take to end after a stop
---@field loaded integer how many of the services are
---@field running integer how many have not ended
---@field stopping boolean
---@field failed boolean one did not load
---@field gently boolean another process goes on with the addresses: the stop harms no client
---@field changed any a waitlist that is woken when the above changes
---@field on_loaded fun(service: perigee.Service)
---@field on_failed fun(service: perigee.Service, failure: { message: string, traceback: string? })
local Run <const> = {}
Run.__index = Run

--- One service from load to end. A script that fails to load stops the others too.
local function run_service(self, service)
  local loaded <const>, failure <const> = service:load()
  if loaded then
    self.loaded = self.loaded + 1
    self.on_loaded(service)
    self.changed:wake(math.huge)
    service:join()
  elseif not self.stopping then
    self.on_failed(service, failure) -- which may wait until somebody else knows
    self.failed = true
  end
  self.running = self.running - 1
  self.changed:wake(math.huge)
end

--- Loads all services, each in a task of its own.
function Run:start()
  self.running = #self.services
  for _, service in ipairs(self.services) do core.spawn(run_service, self, service) end
end

local function is_over(self)
  return self.running == 0 or self.stopping or self.failed
end

--- Waits until all are loaded.
---@return boolean loaded false: they are to stop, or have ended
function Run:wait_until_loaded()
  while self.loaded < #self.services and not is_over(self) do self.changed:wait() end
  return self.loaded == #self.services and not self.stopping
end

--- Waits until all have ended, one has failed, or they are to stop.
function Run:wait()
  while not is_over(self) do self.changed:wait() end
end

--- Makes wait() return.
---@param gently boolean? another process serves the addresses from now on
function Run:request_stop(gently)
  self.gently = gently or false
  self.stopping = true
  self.changed:wake(math.huge)
end

--- Closes all servers and calls on_stop, each service beside the others, within the drain time.
local function stop_services(self)
  local silence <const> = self.gently and math.min(SILENCE_SECONDS, self.drain) or nil
  local function stop_all(group)
    for _, service in ipairs(self.services) do
      group:spawn(service.stop, service, log.of(service.name).error, silence)
    end
    return true
  end
  if not core.deadline(math.max(self.drain, ON_STOP_SECONDS), core.group, stop_all) then
    log.warn "the drain deadline has passed: on_stop is cancelled"
  end
end

function Run:tasks()
  local count = 0
  for _, service in ipairs(self.services) do count = count + service.scope.count end
  return count
end

local function each_server(self, f)
  for _, service in ipairs(self.services) do
    for _, server in ipairs(service.servers) do f(server) end
  end
end

--- Background tasks would go on for ever: only what serves a connection or a datagram gets time to finish.
local function cancel_background(services)
  for _, service in ipairs(services) do service.scope:cancel_background() end
  core.sleep(0)
end

local function wait_for_end(self, deadline)
  local function left() return math.max(0, deadline - core.now()) end
  for _, service in ipairs(self.services) do service.scope:join(left()) end
  if not self.gently then return end
  each_server(self, function(server) server:await(left()) end)
  each_server(self, function(server) server:close() end)
end

--- Waits for what is under way, until `deadline`; what is left then is cancelled.
local function drain_services(self, deadline)
  cancel_background(self.services)
  local left <const> = self:tasks()
  if left > 0 then log.info("draining", { tasks = left, seconds = self.drain }) end
  wait_for_end(self, deadline)
  local cut <const> = self:tasks()
  if cut > 0 then log.warn("the drain deadline has passed: tasks are cancelled", { tasks = cut }) end
  for _, service in ipairs(self.services) do
    service.scope:cancel()
    service.scope:join()
  end
end

--- Stops all services, and waits for what is under way; `last` is called before what was written has gone.
---@param last fun()?
function Run:finish(last)
  self.stopping = true
  local deadline <const> = core.now() + self.drain
  stop_services(self)
  drain_services(self, deadline)
  if last then last() end
  while core.counts().sending > 0 and core.now() < deadline do core.sleep(0.005) end
end

local M <const> = {}

--- Reads the files of all certificates again, and says so in the log.
function M.reload_certificates()
  local count <const>, failures <const> = tls.reload()
  for _, message in ipairs(failures) do log.error("certificates stay as they were", { reason = message }) end
  if #failures < count or count == 0 then
    log.info("certificates are loaded anew", { contexts = count - #failures })
  end
end

---@param services perigee.Service[]
---@param drain number seconds
---@return perigee.service.Run
function M.new(services, drain)
  local function nothing() end
  return setmetatable({ services = services, drain = drain, loaded = 0, running = #services, stopping = false,
    failed = false, gently = false, changed = core.waitlist(), on_loaded = nothing, on_failed = nothing }, Run)
end

return M
