--- One process of a worker as its supervisor sees it, from its start to its end: what it asks for and tells, what it is
--- asked, and what is passed to it.

local balance <const> = require "perigee.supervisor.balance"
local connected <const> = require "perigee.process.connected"
local core <const> = require "core.task"
local deliveries <const> = require "perigee.supervisor.deliveries"
local heartbeat <const> = require "perigee.supervisor.heartbeat"
local log <const> = require "perigee.log"
local questions <const> = require "perigee.supervisor.questions"
local reload <const> = require "perigee.supervisor.reload"
local systemd <const> = require "perigee.supervisor.systemd"
local worker <const> = require "perigee.supervisor.worker"

local OWN_BINARY <const> = "/proc/self/exe"   -- also where another user may not look
local ASK_SECONDS <const> = 90
local LAST_WORDS_SECONDS <const> = 1          -- for the messages of a process that has ended

---@class perigee.supervisor.Process
---@field slot perigee.supervisor.Slot
---@field supervisor perigee.Supervisor
---@field number integer of the worker
---@field state "loading"|"serving"|"stopping"
---@field has_ended boolean
---@field child perigee.Child
---@field version integer what it runs, see perigee.supervisor.Version
---@field failure table? why it could not load its scripts
---@field deliveries perigee.supervisor.Deliveries
---@field questions perigee.supervisor.Questions
---@field heartbeat perigee.supervisor.Heartbeat
local Process <const> = {}
Process.__index = Process

-- Its messages.

local handlers <const> = {}

--- A worker that waits for what cannot be sent would do so for ever.
local function give(self, id, entry, sockets, is_aside)
  local given <const>, message <const> = self.deliveries:give(id, entry, sockets, is_aside)
  if given or self.supervisor.stopping then return end
  log.error("the worker gets no sockets: it is killed", { worker = self.number, reason = message })
  self:kill()
end

function handlers.listen(self, id, request, has)
  local listeners <const>, channel <const> = self.supervisor.listeners, self.child.channel
  if self.supervisor.stopping then return channel:send("failed", id, "the supervisor is stopping", "closed") end
  local entry, sockets, message, code
  entry, message, code = listeners:find(request, self.number, has)
  if entry then sockets, message, code = listeners:sockets_of(entry, self.number) end
  if not sockets then return channel:send("failed", id, message, code) end
  give(self, id, entry, sockets, request.aside)
  balance.settle(self.supervisor)
end

function handlers.loaded(self, version)
  self.state, self.slot.has_loaded = "serving", true
  reload.on_loaded(self.supervisor, self, version)
  self.supervisor:on_loaded(self.slot)
end

--- A worker was told to reload: that is for all of them.
function handlers.ask(self, id, _, request)
  self.supervisor.scope:spawn(function()
    self.child.channel:send("answer", id, self.supervisor:reload(request))
  end)
end

function handlers.failed(self, service, failure)
  self.failure = { service = service, message = failure.message, traceback = failure.traceback, alone = failure.alone }
end

function handlers.finished(self)
  self.slot.is_spent, self.slot.has_finished = true, true
end

function handlers.ended(self, key, count)
  self.deliveries:ended(key, count)
  self.supervisor.changed:wake(math.huge)
end

function handlers.closed(self, key)
  self.deliveries:refuse(key)
end

function handlers.taken(self, number)
  self.deliveries:confirm(number)
end

function handlers.answer(self, id, answer)
  self.questions:answer(id, answer)
end

--- A worker whose message cannot be dealt with would wait for an answer for ever: it is killed, and started again.
local function serve_messages(self)
  local _ <close> = setmetatable({}, { __close = function(_, failure)
    if failure then self:kill() end
  end })
  for kind, first, second, third in self.child.channel:messages() do handlers[kind](self, first, second, third) end
end

-- What it is told and asked.

local function tell(self, kind)
  local child <const> = self.child
  if child.is_running then self.supervisor.scope:spawn(child.channel.send, child.channel, kind) end
end

--- Tells it that the scripts of the first worker have ended by themselves.
function Process:tell_first_is_over()
  tell(self, "first_is_over")
end

--- Tells it to stop.
---@param gently boolean? its addresses are served by somebody else from now on
function Process:stop(gently)
  self.state = "stopping"
  tell(self, gently and "drain" or "stop")
end

function Process:kill()
  if self.child.is_running then self.child:kill() end
end

--- Asks it for the answer to a command of perigee.service.commands, or of its own.
---@param command string
---@param request table
---@param seconds number? to wait at most, default 90
---@return table answer { ok = false, message =, code = } when there is none; has_ended = true: and none can come
function Process:ask(command, request, seconds)
  if not self.child.is_running then
    return { ok = false, message = ("worker %d does not run"):format(self.number), code = "closed", has_ended = true }
  end
  local answer <const> = self.questions:ask(command, request, seconds or ASK_SECONDS)
  if not answer.ok and not self.child.is_running then answer.has_ended = true end
  return answer
end

-- Passing connections to it.

--- May it get one more connection for this listener?
---@param entry perigee.supervisor.Entry
---@return boolean
function Process:has_room(entry)
  return self.state == "serving" and not self.slot.is_spent and self.deliveries:has_room(entry)
end

-- Its life.

local function environment()
  local variables <const> = { PERIGEE_UPGRADE = false, PERIGEE_CONTROL = false }
  for _, name in ipairs(systemd.variables) do variables[name] = false end
  return variables
end

local function start_child(slot, pulse)
  local supervisor <const> = slot.supervisor
  local binary <const> = supervisor.user and OWN_BINARY or connected.binary()
  local arguments <const> = { binary, table.unpack(supervisor.argv) }
  local options <const> = { user = supervisor.user, environment = environment(), stderr = "inherit",
    descriptors = pulse:descriptors() }
  local child <const>, message <const> = connected.start(arguments, options, worker.variable, "worker " .. slot.number)
  if not child then return nil, message end
  local version <const> = supervisor.version
  child.channel:send { number = slot.number, mode = supervisor.mode, tickets = supervisor.tickets,
    version = version.number > 0 and version or nil, report_number = pulse:number() }
  return child, version.number
end

--- Waits for its end.
---@return { exit: integer?, signal: string? } outcome
function Process:wait()
  local listening <const> = core.spawn(serve_messages, self)
  local outcome <const> = self.child:wait() or {}
  self.heartbeat:close()
  listening:join(LAST_WORDS_SECONDS)
  listening:cancel()
  self.has_ended = true
  self.child:close()
  self.deliveries:close()
  self.questions:close()
  return outcome
end

local M <const> = {}

--- Starts a process, which runs what the other workers run.
---@param slot perigee.supervisor.Slot
---@return perigee.supervisor.Process?
---@return string? message
function M.start(slot)
  local pulse <const>, why <const> = heartbeat.new(slot.supervisor.stop_after)
  if not pulse then return nil, why end
  local child <const>, version <const> = start_child(slot, pulse)
  if not child then
    pulse:close()
    return nil, version
  end
  local self <const> = setmetatable({ slot = slot, supervisor = slot.supervisor, number = slot.number,
    state = "loading", has_ended = false, child = child, version = version, heartbeat = pulse,
    deliveries = deliveries.new(child.channel), questions = questions(child.channel) }, Process)
  pulse:start(self)
  return self
end

return M
