--- The supervisor: it owns the listening sockets and starts worker processes that serve them, starts those again that
--- die, and hands everything over to a new binary when it is told to.

local balance <const> = require "perigee.supervisor.balance"
local control <const> = require "perigee.supervisor.control"
local core <const> = require "core.task"
local forward <const> = require "perigee.supervisor.forward"
local listeners <const> = require "perigee.supervisor.listeners"
local log <const> = require "perigee.log"
local per_client <const> = require "perigee.supervisor.per_client"
local place <const> = require "perigee.place"
local reload <const> = require "perigee.supervisor.reload"
local report <const> = require "perigee.supervisor.report"
local semaphore <const> = require "perigee.task.semaphore"
local slots <const> = require "perigee.supervisor.slot"
local system <const> = require "core.system"
local systemd <const> = require "perigee.supervisor.systemd"
local tls <const> = require "perigee.tls"
local upgrade <const> = require "perigee.supervisor.upgrade"

local KILL_SECONDS <const> = 2     -- after the drain time, for a worker to end by itself
local HAND_OVER_SECONDS <const> = 5 -- for connections that are accepted to get a worker, before an upgrade

---@class perigee.Supervisor
---@field mode "shared"|"balance"|"process"
---@field argv string[] of the command line, for workers
---@field program string the path of the binary, for an upgrade
---@field user string? that workers run as
---@field drain number seconds
---@field stop_after number seconds, after which a task is stopped; 0: never
---@field limit integer processes, of mode "process"
---@field slots perigee.supervisor.Slot[]
---@field listeners perigee.supervisor.Listeners
---@field predecessor perigee.supervisor.Predecessor? the supervisor whose place this one takes, until it has it
---@field manager perigee.systemd.Manager
---@field control_path string? of the command line
---@field control perigee.supervisor.Control?
---@field version perigee.supervisor.Version what the workers run
---@field attempted table<string, string[]> by service, the files of a version that could not be loaded
---@field reloading any a semaphore: one reload at a time
---@field tickets string the secret of TLS session tickets
---@field scope perigee.Scope of its own tasks
---@field changed any a waitlist that is woken by all that happens to workers
---@field ready boolean all workers have loaded their scripts
---@field stopping boolean
---@field handed_over boolean another supervisor goes on
---@field failed string? why it cannot go on
---@field started integer processes, of mode "process"
---@field turn integer counts whose turn it was among workers with as many connections
local Supervisor <const> = {}
Supervisor.__index = Supervisor

-- What slots tell.

local function all_loaded(self)
  for _, slot in ipairs(self.slots) do
    if not slot.has_loaded then return false end
  end
  return true
end

---@param slot perigee.supervisor.Slot
function Supervisor:on_loaded(slot)
  self.shown = {}
  slot.first_failed = false
  if self.slots[1].has_finished then slot.process:tell_first_is_over() end
  self.changed:wake(math.huge)
  if self.ready or not all_loaded(self) then return end
  self.ready = true
  self.scope:spawn(self.on_ready, self)
end

--- Its scripts could not be loaded: when that is so with all, or with one that it was to serve alone, or this is an
--- upgrade, there is no point in going on.
---@param slot perigee.supervisor.Slot
---@param outcome table
function Supervisor:on_load_failure(slot, outcome)
  report.failure(self, slot, outcome)
  slot.first_failed = not slot.has_loaded
  local hopeless = true
  for _, other in ipairs(self.slots) do hopeless = hopeless and other.first_failed end
  local failure <const> = slot.process and slot.process.failure
  hopeless = hopeless or failure and failure.alone
  if hopeless and not self.ready or self.predecessor and not self.ready then
    self.failed = failure and failure.message or outcome.reason or "a worker ended before it had loaded"
    self.stopping = true
  end
end

local function tell_first_is_over(self)
  for _, slot in ipairs(self.slots) do
    if slot.process then slot.process:tell_first_is_over() end
  end
end

---@param slot perigee.supervisor.Slot
function Supervisor:on_ended(slot)
  if self.mode == "process" then
    per_client.on_ended(self, slot)
  elseif slot.number == 1 and slot.has_finished then
    tell_first_is_over(self)
  end
  self.changed:wake(math.huge)
end

---@param number integer of the worker
function Supervisor:add_slot(number)
  local slot <const> = slots.new(self, number)
  table.insert(self.slots, slot)
  self.scope:spawn(slot.live_on, slot)
end

-- Its life.

--- All workers serve.
function Supervisor:on_ready()
  report.listening(self)
  self.listeners.spares:close()
  if not self:open_control() then return end
  if self.watches then reload.watch(self, self.config) end
  if self.predecessor then self.predecessor:tell_ready() end
  self.predecessor = nil
  balance.settle(self)
  self.manager:notify("READY=1", ("MAINPID=%d"):format(system.pid()))
end

--- Opens the control socket. One that was named must be had.
---@return boolean
function Supervisor:open_control()
  if self.control then return true end
  local opened <const>, message <const> = control.open(self.control_path, self, self.predecessor ~= nil)
  if opened then
    self.control = opened
    return true
  end
  log.error("no control socket", { reason = message })
  if not self.control_path then return true end
  self.failed = message
  self:request_stop()
  return false
end

--- Makes it stop: gracefully, and at once when it is asked again.
---@param name string? of a signal
---@param number integer?
function Supervisor:request_stop(name, number)
  if self.stopping and number then
    for _, slot in ipairs(self.slots) do slot:kill() end
    system.exit(128 + number)
  end
  if name then log.info("stopping", { signal = "SIG" .. name })
  elseif not self.stopping and not self.handed_over then log.info("stopping", { asked = "by the control socket" }) end
  self.stopping = true
  self.changed:wake(math.huge)
end

local function watch_signals(self)
  system.on_signal("TERM", function() self:request_stop("TERM", 15) end)
  system.on_signal("INT", function() self:request_stop("INT", 2) end)
  system.on_signal("USR2", function() self:upgrade() end)
  system.on_signal("HUP", function() self.scope:spawn(self.reload, self, {}) end)
end

local function has_ended(self)
  for _, slot in ipairs(self.slots) do
    if not slot.is_over then return false end
  end
  return true
end

local function wait_for_slots(self, deadline)
  while not has_ended(self) and core.now() < deadline do self.changed:wait(deadline - core.now()) end
  return has_ended(self)
end

--- Stops all workers. Those that have not ended after the drain time are killed.
local function finish(self)
  if not self.handed_over then self.manager:notify "STOPPING=1" end
  local others_serve <const> = self.handed_over or self.predecessor ~= nil
  self.listeners:close(others_serve)
  if self.user then place.leave() end -- the last of the workers, whose it is, removes it
  for _, slot in ipairs(self.slots) do slot:stop(others_serve) end
  if wait_for_slots(self, core.now() + self.drain + KILL_SECONDS) then return end
  for _, slot in ipairs(self.slots) do
    if not slot.is_over then log.warn("the worker does not end: it is killed", { worker = slot.number }) end
    slot:kill()
  end
  wait_for_slots(self, core.now() + KILL_SECONDS)
end

--- Replaces this supervisor by one of the binary that is at its path now. Waits until that serves, or has failed.
---@return integer? pid of the new one
---@return string? message
---@return string? code
function Supervisor:upgrade()
  if self.upgrading or self.stopping or not self.ready then
    return nil, "upgrade: this is not the moment: it is starting, stopping or being upgraded", "exists"
  end
  local _ <close> = self.reloading:acquire() -- one under way comes to its end first
  if self.stopping then return nil, "upgrade: the process is stopping", "closed" end
  self.upgrading = true
  self.manager:notify("RELOADING=1", ("MONOTONIC_USEC=%d"):format(core.now() * 1e6 // 1))
  local pid <const>, message <const>, code <const> = upgrade.start(self)
  self.upgrading = false
  if not pid then
    log.error("the upgrade has failed: everything stays as it was", { reason = message })
    self.manager:notify "READY=1"
    return nil, message, code
  end
  log.info("upgraded: the connections that are left are drained", { successor = pid })
  self.manager:notify("READY=1", ("MAINPID=%d"):format(pid))
  self.handed_over = true
  if self.control then self.control:close(self.control_path ~= nil) end
  balance.stop(self, HAND_OVER_SECONDS)
  self:request_stop()
  return pid
end

--- Reloads services, in all workers or in none.
---@param request { services: string[]?, dry_run: boolean? }
---@return table answer
function Supervisor:reload(request)
  return reload.reload(self, request)
end

--- Answers what is asked at the control socket.
---@param command string of perigee.service.commands
---@param request table
---@return table answer
function Supervisor:answer(command, request)
  if command == "status" then return { ok = true, status = report.status(self, request) } end
  if command == "reload" then return self:reload(request) end
  return forward(self, command, request)
end

local function take_sockets(self)
  local sockets <const>, message <const> = systemd.sockets()
  if not sockets then return nil, message end
  for _, socket in ipairs(sockets) do
    self.listeners.spares:add(socket.descriptor, { shared = true, foreign = true })
  end
  if not self.predecessor then return true end
  return self.predecessor:take_sockets(self.listeners)
end

--- What its workers keep in memory lasts as long as this process, even when all of them have died.
local function hold_memory(self)
  if self.user then place.make_for(self.user) end
  local held <const>, message <const> = place.memory()
  if not held then log.debug("the memory that workers share is not held", { reason = message }) end
end

local function start(self)
  watch_signals(self)
  hold_memory(self)
  local taken <const>, message <const> = take_sockets(self)
  if not taken then
    log.error("the sockets cannot be taken over", { reason = message })
    return false
  end
  if not self.predecessor and not self:open_control() then return false end
  self.scope:spawn(self.manager.keep_watchdog, self.manager)
  for number = 1, self.mode == "process" and 1 or self.listeners.workers do self:add_slot(number) end
  return true
end

--- Runs to its end.
---@return integer status 0: it was stopped, or its scripts have ended; 1: it could not start
function Supervisor:run()
  if not start(self) then return 1 end
  while not self.stopping and not has_ended(self) do self.changed:wait() end
  self.stopping = true
  if self.failed and self.predecessor then self.predecessor:tell_failed(self.failed) end
  finish(self)
  if self.control then self.control:finish() end
  return self.failed and 1 or 0
end

local M <const> = {}

---@param arguments table of the command line
---@param predecessor perigee.supervisor.Predecessor?
---@return perigee.Supervisor
function M.new(arguments, predecessor)
  local mode <const> = arguments.process_per_client and "process" or arguments.balance and "balance" or "shared"
  local self <const> = setmetatable({ mode = mode, argv = arguments.argv, program = upgrade.program(arguments.argv[0]),
    user = arguments.user, drain = arguments.drain, limit = arguments.processes, control_path = arguments.control,
    stop_after = arguments.stop_after,
    slots = {}, listeners = listeners.new(arguments.workers or 1, mode ~= "shared"), predecessor = predecessor,
    manager = systemd.manager(), tickets = predecessor and predecessor.tickets or tls.ticket_secret(),
    watches = arguments.watch, config = arguments.config, attempted = {},
    version = { number = 0, texts = {}, options = {}, generations = {}, elsewhere = {} }, reloading = semaphore(1),
    scope = core.scope(), changed = core.waitlist(), ready = false, stopping = false, handed_over = false, shown = {},
    started = 1, turn = 0, began = core.now() }, Supervisor)
  if mode ~= "shared" then
    self.listeners.on_bound = function(entry) return balance.accept(self, entry) end
  end
  return self
end

return M
