--- A worker as its supervisor sees it: a process that is started again when it dies.

local balance <const> = require "perigee.supervisor.balance"
local connected <const> = require "perigee.process.connected"
local core <const> = require "core.task"
local deliveries <const> = require "perigee.supervisor.deliveries"
local heartbeat <const> = require "perigee.supervisor.heartbeat"
local log <const> = require "perigee.log"
local questions <const> = require "perigee.supervisor.questions"
local reload <const> = require "perigee.supervisor.reload"
local status <const> = require "perigee.service.status"
local systemd <const> = require "perigee.supervisor.systemd"
local worker <const> = require "perigee.supervisor.worker"

local OWN_BINARY <const> = "/proc/self/exe"   -- also where another user may not look
local QUICK <const> = 1                       -- seconds: one that dies within them may do so again and again
local FIRST_REST <const>, LONGEST_REST <const> = 0.1, 10
local ANSWER_SECONDS <const> = 1              -- for its status
local ASK_SECONDS <const> = 90                -- for anything else
local LAST_WORDS_SECONDS <const> = 1          -- for the messages of a process that has ended

---@class perigee.supervisor.Slot
---@field number integer from 1
---@field supervisor perigee.Supervisor
---@field state "loading"|"serving"|"stopping"|"waiting"|"ended"
---@field child perigee.Child? the process now
---@field began number when it was started, on the loop's clock
---@field restarts integer
---@field version integer? what its process runs, see perigee.supervisor.Version
---@field is_late boolean? it loads aside what the others serve already
---@field quick integer deaths in its first second, one after the other
---@field has_loaded boolean one of its processes has
---@field failure table? why the process could not load its scripts
---@field is_spent boolean the process has got its only connection, or has ended well: it is not started again
---@field has_finished boolean its scripts have ended by themselves
---@field deliveries perigee.supervisor.Deliveries? to the process
---@field questions perigee.supervisor.Questions? to the process
---@field heartbeat perigee.supervisor.Heartbeat? of the process
local Slot <const> = {}
Slot.__index = Slot

-- Messages of the worker.

local handlers <const> = {}

--- A worker that waits for what cannot be sent would do so for ever.
local function give(self, id, entry, sockets, is_aside)
  local given <const>, message <const> = self.deliveries:give(id, entry, sockets, is_aside)
  if given or self.supervisor.stopping then return end
  log.error("the worker gets no sockets: it is killed", { worker = self.number, reason = message })
  self:kill()
end

function handlers.listen(self, channel, id, request)
  local listeners <const> = self.supervisor.listeners
  if self.supervisor.stopping then return channel:send("failed", id, "the supervisor is stopping", "closed") end
  local entry, sockets, message, code
  entry, message, code = listeners:find(request, self.number, self.is_late)
  if entry then sockets, message, code = listeners:sockets_of(entry, self.number, request.alone) end
  if not sockets then return channel:send("failed", id, message, code) end
  give(self, id, entry, sockets, request.aside)
  if self.supervisor.mode == "shared" then balance.settle(self.supervisor, entry) end
end

function handlers.loaded(self, _, version)
  self.state, self.has_loaded = "serving", true
  if self.number == 1 then self.supervisor.listeners:close_left(function(entry) return self:has(entry) end) end
  reload.on_loaded(self.supervisor, self, version)
  self.supervisor:on_loaded(self)
end

--- A worker was told to reload: that is for all of them.
function handlers.ask(self, channel, id, _, request)
  self.supervisor.scope:spawn(function()
    channel:send("answer", id, self.supervisor:reload(request))
  end)
end

function handlers.failed(self, _, service, failure)
  self.failure = { service = service, message = failure.message, traceback = failure.traceback, alone = failure.alone }
end

function handlers.finished(self)
  self.is_spent, self.has_finished = true, true
end

function handlers.ended(self, _, key, count)
  self.deliveries:ended(key, count)
  self.supervisor.changed:wake(math.huge)
end

function handlers.closed(self, _, key)
  self.deliveries:refuse(key)
end

function handlers.taken(self, _, number)
  self.deliveries:confirm(number)
end

function handlers.answer(self, _, id, answer)
  self.questions:answer(id, answer)
end

--- A worker whose message cannot be dealt with would wait for an answer for ever: it is killed, and started again.
local function serve_messages(self, channel)
  local _ <close> = setmetatable({}, { __close = function(_, failure)
    if failure then self:kill() end
  end })
  for kind, first, second, third in channel:messages() do handlers[kind](self, channel, first, second, third) end
end

-- Passing connections to it.

--- How many connections that were passed to it have not ended.
---@return integer
function Slot:load()
  return self.deliveries and self.deliveries:load() or 0
end

--- May it get one more for this listener?
---@param entry perigee.supervisor.Entry
---@return boolean
function Slot:has_room(entry)
  return self.state == "serving" and not self.is_spent and not entry.aside and self.deliveries:has_room(entry)
end

--- Has its process got the sockets of this listener?
---@param entry perigee.supervisor.Entry
---@return boolean
function Slot:has(entry)
  return self.deliveries ~= nil and self.deliveries.loads[entry.key] ~= nil
end

--- It gets no more connections for this listener.
---@param entry perigee.supervisor.Entry
function Slot:spare(entry)
  if self.deliveries then self.deliveries:refuse(entry.key) end
end

--- The versions that were loaded aside serve now.
function Slot:commit()
  if self.deliveries then self.deliveries:commit() end
end

--- They are thrown away.
function Slot:roll_back()
  if self.deliveries then self.deliveries:roll_back() end
end

--- Passes a connection on. When that fails, nobody has touched it, and this process gets no more.
---@param entry perigee.supervisor.Entry
---@param socket perigee.Descriptor of the connection
---@param is_counted boolean the worker will tell of its end
---@return boolean passed
function Slot:pass(entry, socket, is_counted)
  return self.deliveries:pass(entry, socket, is_counted)
end

-- Its process.

local function environment()
  local variables <const> = { PERIGEE_UPGRADE = false, PERIGEE_CONTROL = false }
  for _, name in ipairs(systemd.variables) do variables[name] = false end
  return variables
end

local function start_process(self)
  local supervisor <const> = self.supervisor
  local binary <const> = supervisor.user and OWN_BINARY or connected.binary()
  local arguments <const> = { binary, table.unpack(supervisor.argv) }
  local options <const> = { user = supervisor.user, environment = environment(), stderr = "inherit",
    descriptors = self.heartbeat:descriptors() }
  local child <const>, message <const> = connected.start(arguments, options, worker.variable, "worker " .. self.number)
  if not child then return nil, message end
  local version <const> = supervisor.version
  self.version, self.is_late = version.number, false
  child.channel:send { number = self.number, mode = supervisor.mode, tickets = supervisor.tickets,
    version = version.number > 0 and version or nil, report_number = self.heartbeat:number() }
  return child
end

local function describe(outcome)
  return { exit = outcome.exit, signal = outcome.signal, reason = outcome.reason }
end

local function fields_of(self, more)
  local fields <const> = { worker = self.number, pid = self.child and self.child.pid }
  for name, value in pairs(more or {}) do fields[name] = value end
  return fields
end

--- Processes for one client come and go too often to be told of.
local function supervisor_has_many(self)
  return self.supervisor.mode == "process"
end

--- One process from its start to its end.
---@return { exit: integer?, signal: string?, reason: string? } outcome
local function live(self)
  self.began, self.state, self.failure, self.deliveries, self.child = core.now(), "loading", nil, nil, nil
  local pulse <const>, why <const> = heartbeat.new(self.supervisor.stop_after)
  if not pulse then return { reason = why } end
  self.heartbeat = pulse
  local child <const>, message <const> = start_process(self)
  if not child then
    pulse:close()
    return { reason = message }
  end
  self.child, self.deliveries, self.questions = child, deliveries.new(child.channel), questions(child.channel)
  local announce <const> = supervisor_has_many(self) and log.debug or log.info
  announce("worker started", fields_of(self))
  if self.supervisor.stopping then self:stop() end
  pulse:start(self)
  local listening <const> = core.spawn(serve_messages, self, child.channel)
  local outcome <const> = child:wait() or {}
  pulse:close()
  listening:join(LAST_WORDS_SECONDS)
  listening:cancel()
  child:close()
  self.deliveries:close()
  self.questions:close()
  return outcome
end

local function report_end(self, outcome)
  local fields <const> = fields_of(self, describe(outcome))
  if self.failure or self.state == "loading" then return self.supervisor:on_load_failure(self, outcome) end
  if self.state == "stopping" or self.is_spent and outcome.exit == 0 then
    return log.debug("worker ended", fields)
  end
  log.warn("worker ended", fields)
end

--- How long to wait before the next start: nothing, but for one that dies at once again and again.
local function rest_of(self)
  local quick <const> = core.now() - self.began < QUICK
  self.quick = quick and self.quick + 1 or 0
  if self.quick < 2 then return self.failure and FIRST_REST or 0 end
  return math.min(LONGEST_REST, FIRST_REST * 2 ^ (self.quick - 2))
end

local function rest(self, outcome)
  local seconds <const> = rest_of(self)
  if self.quick > 1 then
    local fields <const> = fields_of(self, describe(outcome))
    fields.deaths, fields.seconds = self.quick, seconds
    log.error("crash loop: the worker dies as soon as it is started", fields)
  end
  self.state = "waiting"
  if seconds == 0 then return end
  self.supervisor:lend(self)
  self.wake:wait(seconds)
  self.supervisor:reclaim(self)
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
  self.state = "ended"
  self.supervisor:on_ended(self)
end

local function tell(self, kind)
  local child <const> = self.child
  if child and child.is_running then self.supervisor.scope:spawn(child.channel.send, child.channel, kind) end
end

--- Tells it that the scripts of the first worker have ended by themselves.
function Slot:tell_first_is_over()
  tell(self, "first_is_over")
end

--- Tells it to stop; one that waits is not started any more.
---@param gently boolean? its addresses are served by somebody else from now on
function Slot:stop(gently)
  if self.state ~= "waiting" and self.state ~= "ended" then self.state = "stopping" end
  tell(self, gently and "drain" or "stop")
  self.wake:wake(math.huge)
end

--- Asks it for the answer to a command of perigee.service.commands, or of its own.
---@param command string
---@param request table
---@param seconds number? to wait at most, default 90
---@return table answer { ok = false, message =, code = } when there is none
function Slot:ask(command, request, seconds)
  if not (self.child and self.child.is_running) then
    return { ok = false, message = ("worker %d does not run"):format(self.number), code = "closed",
      has_ended = true }
  end
  return self.questions:ask(command, request, seconds or ASK_SECONDS)
end

function Slot:kill()
  if self.child and self.child.is_running then self.child:kill() end
end

--- What it tells about itself, with what its supervisor knows.
---@param request { holders: boolean? }
---@return table
function Slot:status(request)
  local told <const> = self:ask("status", { holders = request.holders }, ANSWER_SECONDS)
  local answer <const> = told.ok and told.status or { listeners = {} }
  local is_silent <const> = told.is_silent and self.state == "serving"
  answer.worker, answer.state, answer.restarts = self.number, is_silent and "silent" or self.state, self.restarts
  answer.pid = self.child and self.child.is_running and self.child.pid or nil
  answer.age = core.now() - self.began
  answer.memory = answer.pid and status.memory_of(answer.pid)
  return answer
end

local M <const> = {}

---@param supervisor perigee.Supervisor
---@param number integer
---@return perigee.supervisor.Slot
function M.new(supervisor, number)
  return setmetatable({ supervisor = supervisor, number = number, state = "loading", began = core.now(), restarts = 0,
    quick = 0, has_loaded = false, is_spent = false, has_finished = false, wake = core.waitlist() }, Slot)
end

return M
