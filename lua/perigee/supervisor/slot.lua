--- The place of one worker: a process that is started again when it dies.

local balance <const> = require "perigee.supervisor.balance"
local core <const> = require "core.task"
local log <const> = require "perigee.log"
local processes <const> = require "perigee.supervisor.process"
local status <const> = require "perigee.service.status"

local QUICK <const> = 1                       -- seconds: one that dies within them may do so again and again
local FIRST_REST <const>, LONGEST_REST <const> = 0.1, 10
local ANSWER_SECONDS <const> = 1              -- for its status

---@class perigee.supervisor.Slot
---@field number integer from 1
---@field supervisor perigee.Supervisor
---@field process perigee.supervisor.Process? the one now, or the last one
---@field began number when it was started, on the loop's clock
---@field restarts integer
---@field quick integer deaths in the first second, one after the other
---@field has_loaded boolean one of its processes has
---@field is_spent boolean the process has got its only connection, or has ended well: it is not started again
---@field has_finished boolean its scripts have ended by themselves
---@field is_resting boolean nothing runs, as what did has died too soon
---@field is_over boolean nothing runs, nor ever will
local Slot <const> = {}
Slot.__index = Slot

--- Its process, unless that has ended.
---@return perigee.supervisor.Process?
local function running(self)
  return self.process and not self.process.has_ended and self.process or nil
end

--- What its process does, or why it has none: "waiting" before it is started again, "ended" for good.
---@return "loading"|"serving"|"stopping"|"waiting"|"ended"
function Slot:state()
  if self.is_over then return "ended" end
  if self.is_resting then return "waiting" end
  local process <const> = running(self)
  return process and process.state or "loading"
end

--- Its process, when that serves.
---@return perigee.supervisor.Process?
function Slot:serving()
  return self:state() == "serving" and self.process or nil
end

local function fields_of(self, outcome)
  return { worker = self.number, pid = self.process and self.process.child.pid, exit = outcome.exit,
    signal = outcome.signal, reason = outcome.reason }
end

--- Processes for one client come and go too often to be told of.
local function announce(self)
  local tell <const> = self.supervisor.mode == "process" and log.debug or log.info
  tell("worker started", fields_of(self, {}))
end

--- One process from its start to its end.
---@return { exit: integer?, signal: string?, reason: string? } outcome
local function live(self)
  local message
  self.began = core.now()
  self.process, message = processes.start(self)
  if not self.process then return { reason = message } end
  announce(self)
  if self.supervisor.stopping then self.process:stop() end
  return self.process:wait()
end

local function report_end(self, outcome)
  local process <const>, fields <const> = self.process, fields_of(self, outcome)
  if not process or process.failure or process.state == "loading" then
    return self.supervisor:on_load_failure(self, outcome)
  end
  if process.state == "stopping" or self.is_spent and outcome.exit == 0 then
    return log.debug("worker ended", fields)
  end
  log.warn("worker ended", fields)
end

--- How long to wait before the next start: nothing, but for one that dies at once again and again.
local function rest_of(self)
  local quick <const> = core.now() - self.began < QUICK
  self.quick = quick and self.quick + 1 or 0
  if self.quick < 2 then return self.process and self.process.failure and FIRST_REST or 0 end
  return math.min(LONGEST_REST, FIRST_REST * 2 ^ (self.quick - 2))
end

local function rest(self, outcome)
  local seconds <const> = rest_of(self)
  if self.quick > 1 then
    local fields <const> = fields_of(self, outcome)
    fields.deaths, fields.seconds = self.quick, seconds
    log.error("crash loop: the worker dies as soon as it is started", fields)
  end
  if seconds == 0 then return end
  self.is_resting = true
  balance.settle(self.supervisor)
  self.wake:wait(seconds)
  self.is_resting = false
  balance.settle(self.supervisor)
end

--- The life of the slot, in a task of its own: until the supervisor stops, or the scripts have ended by themselves.
function Slot:live_on()
  while true do
    local outcome <const> = live(self)
    report_end(self, outcome)
    self.supervisor.changed:wake(math.huge)
    if self.supervisor.stopping or self.is_spent then break end
    rest(self, outcome)
    if self.supervisor.stopping then break end
    self.restarts = self.restarts + 1
  end
  self.is_over = true
  self.supervisor:on_ended(self)
end

--- Tells its process to stop; one that waits is not started any more.
---@param gently boolean? its addresses are served by somebody else from now on
function Slot:stop(gently)
  local process <const> = running(self)
  if process then process:stop(gently) end
  self.wake:wake(math.huge)
end

--- Asks its process: see perigee.supervisor.Process.
---@param command string
---@param request table
---@param seconds number?
---@return table answer
function Slot:ask(command, request, seconds)
  local process <const> = running(self)
  if process then return process:ask(command, request, seconds) end
  return { ok = false, message = ("worker %d does not run"):format(self.number), code = "closed", has_ended = true }
end

function Slot:kill()
  local process <const> = running(self)
  if process then process:kill() end
end

--- What it tells about itself, with what its supervisor knows.
---@param request { holders: boolean? }
---@return table
function Slot:status(request)
  local told <const> = self:ask("status", { holders = request.holders }, ANSWER_SECONDS)
  local answer <const>, state <const> = told.ok and told.status or { listeners = {} }, self:state()
  local process <const> = running(self)
  answer.worker, answer.restarts, answer.age = self.number, self.restarts, core.now() - self.began
  answer.state = told.is_silent and state == "serving" and "silent" or state
  answer.pid = process and process.child.is_running and process.child.pid or nil
  answer.memory = answer.pid and status.memory_of(answer.pid)
  return answer
end

local M <const> = {}

---@param supervisor perigee.Supervisor
---@param number integer
---@return perigee.supervisor.Slot
function M.new(supervisor, number)
  return setmetatable({ supervisor = supervisor, number = number, began = core.now(), restarts = 0, quick = 0,
    has_loaded = false, is_spent = false, has_finished = false, is_resting = false, is_over = false,
    wake = core.waitlist() }, Slot)
end

return M
