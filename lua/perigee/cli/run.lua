--- perigee run: loads scripts as services and runs them until they have ended or the process is told to stop.

local core <const> = require "core.task"
local listener <const> = require "core.listener"
local system <const> = require "core.system"
local instance <const> = require "perigee.service.instance"
local inherited <const> = require "perigee.process.inherited"
local given <const> = require "perigee.cli.given"
local log <const> = require "perigee.log"
local tls <const> = require "perigee.tls"

local M <const> = {}

local DESCRIPTORS <const> = 1048576
local ON_STOP_SECONDS <const> = 0.1 -- that on_stop has at least, also when connections get no time

local function log_failures()
  core.on_failure(function(message, traceback, service)
    log.of(service and service.name or "perigee").error(message, { traceback = traceback })
  end)
  listener.on_refused(function(address, count, reason)
    log.warn("clients are turned away", { address = tostring(address), count = count, reason = reason })
  end)
  listener.on_handshake_failed(function(address, peer, message, silenced)
    log.warn("TLS handshake failed", { address = tostring(address), peer = tostring(peer), reason = message,
      unreported = silenced > 0 and silenced or nil })
  end)
end

---@class perigee.Run
---@field services perigee.Service[]
---@field drain number seconds that connections may take to end after a stop
---@field stopping boolean
---@field failed boolean
local Run <const> = {}
Run.__index = Run

local function report_addresses(service)
  for _, server in ipairs(service.servers) do
    for _, address in ipairs(server.is_open and server.addresses or {}) do
      log.of(service.name).info("listening", { address = tostring(address) })
    end
  end
end

--- One service from load to end. A script that fails to load stops the others too.
function Run:run_service(service)
  local loaded <const>, failure <const> = service:load()
  if loaded then
    report_addresses(service)
    service:join()
  elseif not self.stopping then
    self.failed = true
    log.of(service.name).error(failure.message, { traceback = failure.traceback })
  end
  self.running = self.running - 1
  if self.running == 0 or self.failed then self.changed:wake(math.huge) end
end

--- Closes all servers and calls on_stop, each service beside the others, within the drain time.
function Run:stop_services()
  local function stop_all(group)
    for _, service in ipairs(self.services) do
      group:spawn(service.stop, service, log.of(service.name).error)
    end
    return true
  end
  if not core.deadline(math.max(self.drain, ON_STOP_SECONDS), core.group, stop_all) then
    log.warn "the drain deadline has passed: on_stop is cancelled"
  end
end

local function tasks_of(services)
  local count = 0
  for _, service in ipairs(services) do count = count + service.scope.count end
  return count
end

--- Background tasks would go on for ever: only what serves a connection or a datagram gets time to finish.
local function cancel_background(services)
  for _, service in ipairs(services) do service.scope:cancel_background() end
  core.sleep(0)
end

--- Waits for what is under way, until `deadline`; what is left then is cancelled.
function Run:drain_services(deadline)
  cancel_background(self.services)
  local left <const> = tasks_of(self.services)
  if left > 0 then log.info("draining", { tasks = left, seconds = self.drain }) end
  for _, service in ipairs(self.services) do service.scope:join(math.max(0, deadline - core.now())) end
  local cut <const> = tasks_of(self.services)
  if cut > 0 then log.warn("the drain deadline has passed: tasks are cancelled", { tasks = cut }) end
  for _, service in ipairs(self.services) do
    service.scope:cancel()
    service.scope:join()
  end
  inherited.close() -- what was sent to the parent still goes
  while core.counts().sending > 0 and core.now() < deadline do core.sleep(0.005) end
end

function Run:stop()
  self.stopping = true
  local deadline <const> = core.now() + self.drain
  self:stop_services()
  self:drain_services(deadline)
end

--- The first signal stops gracefully, the second one at once.
function Run:on_signal(name, number)
  if self.stopping then system.exit(128 + number) end
  log.info("stopping", { signal = "SIG" .. name })
  self.stopping = true
  self.changed:wake(math.huge)
end

local function reload_certificates()
  local count <const>, failures <const> = tls.reload()
  for _, message in ipairs(failures) do log.error("certificates stay as they were", { reason = message }) end
  log.info("certificates are loaded anew", { contexts = count - #failures })
end

function Run:watch_signals()
  system.on_signal("HUP", reload_certificates)
  system.on_signal("TERM", function() self:on_signal("TERM", 15) end)
  system.on_signal("INT", function() self:on_signal("INT", 2) end)
end

---@param arguments { scripts: string[], options: table, log: string, log_level: string, drain: number, dev: boolean? }
---@return integer status 0: all ended well or were stopped; 1: one did not load
function M.main(arguments)
  log.configure { format = arguments.log, level = arguments.log_level, service = function()
    local service <const> = core.context()
    return service and service.name or "perigee"
  end, clock = system.time }
  log_failures()
  system.raise_descriptor_limit(DESCRIPTORS)
  local run <const> = setmetatable({ services = {}, drain = arguments.drain, stopping = false, failed = false,
    changed = core.waitlist() }, Run)
  inherited.run_options = { "--log", arguments.log, "--log-level", arguments.log_level }
  local taken <const>, why <const> = inherited.take()
  if not taken then
    log.error("what started this process has left it no channel", { reason = why })
    return 1
  end
  for _, path in ipairs(arguments.scripts) do
    table.insert(run.services, instance.new(path, arguments.options[given.name_of(path)], arguments.dev))
  end
  run.running = #run.services
  if inherited.name and run.running == 1 then run.services[1].name = inherited.name end
  run:watch_signals()
  for _, service in ipairs(run.services) do core.spawn(run.run_service, run, service) end
  while run.running > 0 and not run.stopping and not run.failed do run.changed:wait() end
  run:stop()
  return run.failed and 1 or 0
end

return M
