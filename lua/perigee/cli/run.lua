--- perigee run: loads scripts as services and runs them until they have ended or the process is told to stop. With
--- --workers this process is their supervisor, and processes that it starts run them.

local core <const> = require "core.task"
local given <const> = require "perigee.cli.given"
local guard <const> = require "perigee.service.guard"
local inherited <const> = require "perigee.process.inherited"
local instance <const> = require "perigee.service.instance"
local listener <const> = require "core.listener"
local log <const> = require "perigee.log"
local place <const> = require "perigee.place"
local runs <const> = require "perigee.service.run"
local server <const> = require "perigee.server"
local service <const> = require "perigee.service"
local single <const> = require "perigee.supervisor.single"
local system <const> = require "core.system"
local upgrade <const> = require "perigee.supervisor.upgrade"
local worker <const> = require "perigee.supervisor.worker"

local M <const> = {}

local DESCRIPTORS <const> = 1048576

local function log_failures()
  core.on_failure(function(message, traceback, of)
    log.of(of and of.name or "perigee").failure(message, { traceback = traceback })
  end)
  listener.on_refused(function(address, count, reason)
    log.warn("clients are turned away", { address = tostring(address), count = count, reason = reason })
  end)
  listener.on_handshake_failed(function(address, peer, message, silenced)
    log.warn("TLS handshake failed", { address = tostring(address), peer = tostring(peer), reason = message,
      unreported = silenced > 0 and silenced or nil })
  end)
end

local function configure(arguments)
  log.configure { format = arguments.log, level = arguments.log_level, service = function()
    local current <const> = core.context()
    return current and current.name or "perigee"
  end, clock = system.time }
  log_failures()
  system.raise_descriptor_limit(DESCRIPTORS)
  inherited.run_options = { "--log", arguments.log, "--log-level", arguments.log_level }
end

local function report_addresses(of)
  for _, one in ipairs(of.generation.servers) do
    for _, address in ipairs(one.is_open and one.addresses or {}) do
      log.of(of.name).info("listening", { address = tostring(address) })
    end
  end
end

local function report_failure(of, failure)
  log.of(of.name).error(failure.message, { traceback = failure.traceback })
end

--- The first signal stops gracefully, the second one at once.
local function watch_signals(run)
  local function watch(name, number)
    system.on_signal(name, function()
      if run.stopping then system.exit(128 + number) end
      log.info("stopping", { signal = "SIG" .. name })
      run:request_stop()
    end)
  end
  watch("TERM", 15)
  watch("INT", 2)
end

local function new_run(arguments)
  local services <const> = {}
  for i, path in ipairs(arguments.scripts) do
    services[i] = instance.new(path, arguments.options[given.name_of(path)], arguments.dev)
  end
  if inherited.name and #services == 1 then services[1].name = inherited.name end
  return runs.new(services, arguments.drain, arguments.reload_drain, function()
    local options <const>, message <const> = given.read(arguments)
    if not options then return nil, message end
    local named <const> = {}
    for _, one in ipairs(services) do named[one.name] = options[given.name_of(one.path)] end
    return named
  end)
end

local function be_worker(arguments, of)
  guard.start(arguments, of.report_number)
  local run <const> = new_run(arguments)
  service.worker, service.is_for_one_client = of.number, of.mode == "process"
  server.supplier = function(...) return of:supply(...) end
  watch_signals(run)
  system.on_signal("HUP", function() end) -- the supervisor gets one too, and reloads all
  of:start(run)
  run:start()
  run:wait()
  of:report_end()
  run:finish(function() of.channel:close() end)
  return run.failed and 1 or 0
end

--- This process alone, which may have been started by another one's process.start.
local function be_single(arguments)
  guard.start(arguments)
  if arguments.user then place.make_for(arguments.user) end
  local run <const> = new_run(arguments)
  run.on_loaded, run.on_failed = report_addresses, report_failure
  local alone <const>, message <const> = single.new(run, arguments, inherited.channel == nil)
  if not alone then
    log.error("the process cannot start", { reason = message })
    return 1
  end
  watch_signals(run)
  system.on_signal("HUP", function() run.scope:spawn(run.reload, run, {}) end)
  if arguments.watch then run:watch(arguments.config) end
  run:start()
  alone:run_services()
  run:finish(inherited.close)
  alone:close()
  return (run.failed or alone.failed) and 1 or 0
end

local function fail(message)
  log.error("what started this process has left it no channel", { reason = message })
  return 1
end

---@param arguments { scripts: string[], options: table, log: string, log_level: string, drain: number, dev: boolean? }
---@return integer status 0: all ended well or were stopped; 1: one did not load
function M.main(arguments)
  configure(arguments)
  local named <const>, problem <const> = place.take()
  if not named then return fail(problem) end
  local of, message = worker.take()
  if of then return be_worker(arguments, of) end
  if of == nil then return fail(message) end
  local predecessor <const>, why <const> = upgrade.take()
  if predecessor == nil then return fail(why) end
  if predecessor or arguments.workers or arguments.process_per_client then
    return require "perigee.supervisor".new(arguments, predecessor or nil):run()
  end
  local taken <const>, reason <const> = inherited.take()
  if not taken then return fail(reason) end
  return be_single(arguments)
end

return M
