--- A worker: the process that serves, where a supervisor has the sockets. It asks the supervisor for each address that
--- a script serves, and does what the supervisor says.

local commands <const> = require "perigee.service.commands"
local core <const> = require "core.task"
local inherited <const> = require "perigee.process.inherited"
local log <const> = require "perigee.log"
local questions <const> = require "perigee.supervisor.questions"
local sockets <const> = require "perigee.supervisor.sockets"
local tls <const> = require "perigee.tls"
local own_commands <const> = require "perigee.supervisor.worker_commands"

--- What a service has of one address.
---@class perigee.supervisor.Claim
---@field key string that the supervisor knows its sockets by
---@field request perigee.supervisor.Request of the version that serves there now
---@field sockets any[] that it is served by
---@field adopted integer connections that the supervisor has passed
---@field adoption any a waitlist that is woken by each

---@class perigee.supervisor.Worker
---@field number integer from 1
---@field mode "shared"|"balance"|"process"
---@field run perigee.service.Run
---@field channel perigee.process.Channel
---@field version perigee.supervisor.Version? what it is to run; nil: what the files are now
---@field plan perigee.service.Plan? versions that were loaded aside
---@field preparing table? of the versions that are being loaded aside, or are; nil: they are not wanted
---@field questions perigee.supervisor.Questions to the supervisor
---@field claims table<string, perigee.supervisor.Claim>
---@field asked table<integer, table> questions for sockets that the supervisor has not answered, by number
---@field report_number integer? the descriptor that its watchdog reports to
---@field scope perigee.Scope of its own tasks
local Worker <const> = {}
Worker.__index = Worker

local RELOAD_SECONDS <const> = 90

local M <const> = { variable = "PERIGEE_WORKER" }

-- Asking for sockets.

local function is_open(claim)
  for _, socket in ipairs(claim.sockets) do
    if socket.is_open then return true end
  end
  return false
end

--- To be held in a <close> variable: calls `f` at the end of the block, however that comes.
local function finally(f)
  return setmetatable({}, { __close = f })
end

--- The descriptors that the supervisor gives for an address, and the key that it knows them by; or nil, message, code.
local function ask(self, request)
  local has <const> = {}
  for key, claim in pairs(self.claims) do has[key] = is_open(claim) or nil end
  self.asking = self.asking + 1
  local id <const>, question <const> = self.asking, { asker = core.waitlist() }
  self.asked[id] = question
  local _ <close> = finally(function() self.asked[id] = nil end)
  local sent <const>, message <const>, code <const> = self.channel:send("listen", id, request, has)
  if not sent then return nil, message, code end
  while not question.answer do question.asker:wait() end
  return question.answer.descriptors, question.answer.key or question.answer.message, question.answer.code
end

local function answer(self, id, reply)
  local question <const> = self.asked[id]
  if question then
    question.answer = reply
    question.asker:wake()
  else
    for _, descriptor in ipairs(reply.descriptors or {}) do descriptor:close() end
  end
end

local function answer_all(self, reply)
  for id in pairs(self.asked) do answer(self, id, reply) end
end

local function server_options(self, url)
  if sockets.kind_of(url) == "datagram" then return {} end
  return { keep_path = true, paused = self.mode ~= "shared" }
end

--- What the supervisor is to know of an endpoint.
local function describe(endpoint)
  local url <const> = tostring(endpoint.target.at)
  return { service = endpoint.service, url = url, occurrence = endpoint.occurrence,
    limit = (endpoint.target.options or {}).max_connections, alone = endpoint.is_alone or nil }
end

local function new_claim(self, key, request)
  local claim <const> = { key = key, request = request, sockets = {}, adopted = 0, adoption = core.waitlist() }
  self.claims[key] = claim
  return claim
end

--- What an address of a service is served by: see perigee.server.supplier. An address with a port can be had once.
function Worker:supply(endpoint)
  local request <const> = describe(endpoint)
  local url <const>, kind <const> = request.url, sockets.kind_of(request.url)
  if request.occurrence > 1 and not sockets.is_any_port(url) then
    return nil, ("listen on %s: Address already in use"):format(url), "exists"
  end
  request.aside, request.options = endpoint.is_aside or nil, sockets.options_of(kind, endpoint.target.options)
  local descriptors <const>, key <const>, code <const> = ask(self, request)
  if not descriptors then return nil, key, code end
  local claim <const> = new_claim(self, key, request)
  return { descriptors = descriptors, options = server_options(self, url),
    opened = function(opened) self:take(claim, opened) end,
    taken = function(newer) claim.request = describe(newer) end }
end

function Worker:take(claim, opened)
  claim.sockets = opened
  if self.mode ~= "shared" and opened[1].adopt then self.scope:spawn(self.report_ended, self, claim, opened[1]) end
end

-- Connections that the supervisor has accepted.

--- Tells the supervisor how many of the connections that it has passed have ended. A process for one client ends with
--- it.
function Worker:report_ended(claim, socket)
  local told = 0
  while true do
    local active <const> = socket.active
    if claim.adopted - active > told then
      told = claim.adopted - active
      if self.mode == "process" and active == 0 then return self.run:request_stop() end
      self.channel:send("ended", claim.key, told)
    end
    if active > 0 then socket:await(active) else claim.adoption:wait() end
  end
end

--- The supervisor keeps a connection until it hears that we have it, so it hears that before anything is done with it:
--- when this process is killed, either the connection is ours alone, or untouched.
function Worker:adopt(key, number)
  local conn <const>, message <const> = self.channel:receive_fd()
  if not conn then return log.warn("a connection was not received", { reason = message }) end
  self.channel:send("taken", number)
  self.channel:flush()
  local claim <const> = self.claims[key]
  if not claim or not claim.sockets[1] then return conn:close() end
  claim.adopted = claim.adopted + 1
  local adopted <const>, _ <const>, code <const> = claim.sockets[1]:adopt(conn)
  if not adopted then conn:close() end
  if code == "closed" then self.channel:send("closed", key) end
  claim.adoption:wake(math.huge)
end

-- What the supervisor asks for.

--- The addresses that are served here, or prepared to be, by key: as they would be asked for by the code that serves.
---@return table<string, perigee.supervisor.Request>
function Worker:served()
  local requests <const> = {}
  for key, claim in pairs(self.claims) do
    if is_open(claim) then requests[key] = claim.request else self.claims[key] = nil end
  end
  return requests
end

--- Will it serve more than that, for what it has asked already?
---@return true?
function Worker:is_asking()
  return next(self.asked) ~= nil or nil
end

--- Answers the supervisor.
---@param command string
---@param request table
---@return table
function Worker:answer(command, request)
  local own <const> = own_commands[command]
  if own then return commands.protect(command, own, self, request) end
  return commands.answer(self.run, command, request)
end

-- What the supervisor says.

local handlers <const> = {}

--- The descriptors come in the order of the messages, so they are received here.
function handlers.listening(self, id, count, key)
  local descriptors <const> = {}
  for i = 1, count do
    local descriptor <const>, message <const>, code <const> = self.channel:receive_fd { raw = true }
    if not descriptor then return answer(self, id, { message = message, code = code }) end
    descriptors[i] = descriptor
  end
  answer(self, id, { descriptors = descriptors, key = key })
end

function handlers.failed(self, id, message, code)
  answer(self, id, { message = message, code = code })
end

function handlers.connection(self, key, number)
  self:adopt(key, number)
end

function handlers.answer(self, id, given)
  self.questions:answer(id, given)
end

function handlers.ask(self, id, command, request)
  self.scope:spawn(function() self.channel:send("answer", id, self:answer(command, request)) end)
end

function handlers.stop(self)
  self.run:request_stop()
end

function handlers.first_is_over(self)
  self.run:end_elsewhere()
end

function handlers.drain(self)
  self.run:request_stop(true)
end

--- Does what the supervisor says until it is gone; then the services stop.
function Worker:listen_to_supervisor()
  for kind, first, second, third in self.channel:messages() do handlers[kind](self, first, second, third) end
  answer_all(self, { message = "the supervisor is gone", code = "closed" })
  if self.run.stopping then return end
  log.warn "the supervisor is gone: stopping"
  self.run:request_stop()
end

--- Tells the supervisor how the loading goes.
function Worker:report()
  local function failed(service, failure)
    local version <const> = service:current()
    self.channel:send("failed", service.name, { message = failure.message, traceback = failure.traceback,
      alone = version and version.is_alone })
    self.channel:flush()
  end
  local function loaded()
    if self.run.loaded == #self.run.services then self.channel:send("loaded", self.run:version()) end
  end
  self.run.on_failed, self.run.on_loaded = failed, loaded
end

--- The run is over: when nobody has stopped it, its scripts have ended by themselves, and need not be started again.
function Worker:report_end()
  if self.run.stopping or self.run.failed then return end
  self.channel:send "finished"
  self.channel:flush()
end

--- Begins to serve the services of a run.
---@param run perigee.service.Run
function Worker:start(run)
  self.run = run
  run.reload_all = function(request) return self.questions:ask("reload", request, RELOAD_SECONDS) end
  if self.version then run:use_version(self.version) end
  self.scope:spawn(self.listen_to_supervisor, self)
  self:report()
end

--- What the supervisor has given this process, when it is a worker.
---@return perigee.supervisor.Worker|false|nil worker false: it is none
---@return string? message
function M.take()
  local channel <const>, message <const> = inherited.open(M.variable, "the supervisor")
  if not channel then return channel, message end
  local greeting <const>, why <const> = channel:receive()
  if not greeting then return nil, why end
  if greeting.tickets then tls.ticket_secret(greeting.tickets) end
  return setmetatable({ number = greeting.number, mode = greeting.mode, version = greeting.version, channel = channel,
    report_number = greeting.report_number, claims = {}, asked = {}, asking = 0, questions = questions(channel),
    scope = core.scope() }, Worker)
end

return M
