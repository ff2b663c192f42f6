--- The services of one process, from load to end.

local core <const> = require "core.task"
local endings <const> = require "perigee.service.endings"
local log <const> = require "perigee.log"
local reload <const> = require "perigee.service.reload"
local semaphore <const> = require "perigee.task.semaphore"
local tls <const> = require "perigee.tls"

local ON_STOP_SECONDS <const> = 0.1 -- that on_stop has at least, also when connections get no time
local PATIENCE <const> = 1          -- seconds for a main chunk, before its files are watched although it runs
local RELOAD_DRAIN_SECONDS <const> = 60
local LAST_SECONDS <const> = 3      -- that cancelled tasks have to clean up
local LOOK_SECONDS <const> = 0.005  -- between two looks whether clients are served still
local SILENCE_SECONDS <const> = 5   -- after which an idle client of HTTP is closed, when another process takes over

---@class perigee.service.Run
---@field services perigee.Service[]
---@field drain number seconds that connections may take to end after a stop
---@field reload_drain number seconds that connections of replaced code may take to end
---@field read_options fun(): table<string, table<string, string>>?, string? the options of each service, as given now
---@field texts table<string, table<string, string>>? of the files of each service, instead of what they are now
---@field is_watching boolean
---@field tried table<perigee.Service, true> they have loaded, or failed to
---@field retry any a waitlist of services that wait for a change of their files
---@field reloading any a semaphore: one reload at a time
---@field reload_all (fun(request: table): table)? reloads the other workers too, and this one
---@field scope perigee.Scope of its own tasks
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
  local loaded, failure = service:load(self.texts and self.texts[service.name])
  while not loaded and self.is_watching and not self.stopping do
    self.on_failed(service, failure)
    self:tell_tried(service)
    self.retry:wait()
    loaded, failure = service:load()
  end
  if loaded then
    self.loaded = self.loaded + 1
    self.on_loaded(service)
    self:tell_tried(service)
    self.changed:wake(math.huge)
    service:join()
    service.has_ended = true
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
  for _, service in ipairs(self.services) do count = count + service:tasks() end
  return count
end

-- Reloading.

--- What the services were loaded from.
---@return { texts: table, options: table, generations: table, elsewhere: table } the files of each service by path, its
--- options, and the number of its generation; and see elsewhere
function Run:version()
  local texts <const>, options <const>, generations <const> = {}, {}, {}
  for _, service in ipairs(self.services) do
    texts[service.name], options[service.name] = service.generation.sources:found(), service.given
    generations[service.name] = service.generation.number
  end
  return { texts = texts, options = options, generations = generations, elsewhere = self:elsewhere() }
end

--- The services that the first worker serves alone, when this is another one: of their files, it knows but some.
---@return table<string, true> by name
function Run:elsewhere()
  local names <const> = {}
  for _, service in ipairs(self.services) do names[service.name] = service:is_elsewhere() or nil end
  return names
end

--- The scripts of the first worker have ended by themselves: what it was to serve alone is waited for no more.
function Run:end_elsewhere()
  for _, service in ipairs(self.services) do
    service.first_is_over = true
    service.changed:wake(math.huge)
  end
end

--- They are to be loaded from this, not from the files as they are now.
---@param version { texts: table, options: table, generations: table } see version
function Run:use_version(version)
  self.texts = version.texts
  for _, service in ipairs(self.services) do
    service.given = version.options[service.name] or {}
    service.first_number = version.generations[service.name] or 1
  end
end

local function describe(plan)
  local _ <close> = setmetatable({}, { __close = function() plan:discard() end })
  return { ok = true, plan = plan:describe() }
end

--- A reload has failed, for the service whose script could not be loaded.
---@param failure perigee.service.Failure
function Run:count_failure(failure)
  for _, service in ipairs(self.services) do
    if service.name == failure.service then service.failed_reloads = service.failed_reloads + 1 end
  end
end

--- Certificates are read again also when the scripts cannot be: whoever renews them has nothing to do with those.
local function reload_here(self, request)
  local _ <close> = self.reloading:acquire()
  local plan <const>, failure = reload.prepare(self, request.services)
  if request.dry_run then return plan and describe(plan) or reload.answer(failure) end
  local services
  if plan then services, failure = plan:commit() end
  if services then
    reload.tell(services)
  else
    self:count_failure(failure)
    reload.report(failure)
  end
  if not request.services then self.reload_certificates() end
  return services and { ok = true, services = services } or reload.answer(failure)
end

--- Loads services as they are now, and has all of them take over in one step; or none, and everything is as it was. In
--- a worker its supervisor does it, with all workers.
---@param request { services: string[]?, dry_run: boolean? }
---@return table answer for whoever has asked
function Run:reload(request)
  if self.reload_all then return self.reload_all(request) end
  return reload_here(self, request)
end

--- A service has loaded, or failed to.
function Run:tell_tried(service)
  self.tried[service] = true
  self.changed:wake(math.huge)
end

--- Waits until all services have loaded or failed to; not for ever, as some may be clients.
local function wait_until_tried(self)
  local deadline <const> = core.now() + PATIENCE
  for _, service in ipairs(self.services) do
    while not self.tried[service] and core.now() < deadline do self.changed:wait(deadline - core.now()) end
  end
end

--- Reloads services when one of their files is saved. One that could not be loaded at the start is tried again.
---@param config string? a file whose change concerns all services
function Run:watch(config)
  local watching <const> = require "perigee.service.watching"
  self.is_watching = true
  watching.start(self.scope, { config = config, ready = function() wait_until_tried(self) end, files = function()
    local files <const> = {}
    for _, service in ipairs(self.services) do files[service.name] = service:files() end
    return files
  end, reload = function(names)
    if self.loaded == #self.services then self:reload { services = names } end
    self.retry:wake(math.huge)
  end })
end

--- A generation was replaced: it is ended in a task of its own.
---@param generation perigee.service.Generation
function Run:drain_generation(generation)
  self.scope:spawn(reload.drain, generation, self.reload_drain)
end

local function each_server(self, f)
  for _, service in ipairs(self.services) do
    for generation in pairs(service.generations) do
      for _, server in ipairs(generation.servers) do f(server) end
    end
  end
end

local function each_scope(self, f)
  for _, service in ipairs(self.services) do service:each_scope(f) end
end

local function count_serving(self)
  local count = 0
  each_scope(self, function(scope) count = count + scope:serving() end)
  return count
end

--- Connections of clients that make requests end between two of them. When another process takes over, those whose
--- clients are busy end behind an answer, which crosses no request, and the others after a silence.
local function retire_requests(self, wakes)
  each_scope(self, function(scope) scope:retire(wakes) end)
end

local function wait_for_clients(self, deadline)
  local silent <const> = core.now() + (self.gently and math.min(SILENCE_SECONDS, self.drain / 2) or 0)
  while count_serving(self) > 0 and core.now() < deadline do
    retire_requests(self, core.now() >= silent)
    core.sleep(LOOK_SECONDS)
  end
  if not self.gently then return end
  each_server(self, function(server) server:await(math.max(0, deadline - core.now())) end)
  each_server(self, function(server) server:close() end)
end

--- Tasks that spawn others quicker than these can be cancelled would go on for ever: the process ends with them.
local function end_services(self)
  each_scope(self, function(scope)
    scope:cancel()
    local ended <const>, message <const> = scope:join(LAST_SECONDS)
    if not ended then log.error("cancelled tasks do not end: the process ends with them", { reason = message }) end
  end)
  for _, service in ipairs(self.services) do service:close_owned() end
end

--- Waits until nobody is served any more, or `deadline`. What serves nobody goes on as long, as those who are served
--- may live by it; then it would go on for ever, and is cancelled.
local function drain_services(self, deadline)
  each_scope(self, function(scope) scope:cancel_endless() end)
  retire_requests(self, not self.gently)
  core.sleep(0)
  local left <const> = count_serving(self)
  if left > 0 then log.info("draining", { clients = left, seconds = self.drain }) end
  wait_for_clients(self, deadline)
  each_scope(self, function(scope) scope:cancel_background() end)
  core.sleep(0)
  each_scope(self, function(scope) scope:join(math.max(0, deadline - core.now())) end)
  local cut <const> = self:tasks()
  if cut > 0 then log.warn("the drain deadline has passed: tasks are cancelled", { tasks = cut }) end
  end_services(self)
end

--- Stops all services, and waits for what is under way; `last` is called before what was written has gone.
---@param last fun()?
function Run:finish(last)
  self.stopping = true
  local deadline <const> = core.now() + self.drain
  stop_services(self)
  drain_services(self, deadline)
  endings.wait()
  if last then last() end
  while core.counts().sending > 0 and core.now() < deadline do core.sleep(LOOK_SECONDS) end
end

--- Reads the files of all certificates again, and says so in the log.
function Run.reload_certificates()
  local count <const>, failures <const> = tls.reload()
  for _, message in ipairs(failures) do log.error("certificates stay as they were", { reason = message }) end
  if #failures < count then
    log.info("certificates are loaded anew", { contexts = count - #failures })
  end
end

local M <const> = {}

---@param services perigee.Service[]
---@param drain number seconds that connections may take to end after a stop
---@param reload_drain number? seconds that connections of replaced code may take to end, default 60
---@param read_options nil|fun(): table<string, table<string, string>>?, string? options of each service
---@return perigee.service.Run
function M.new(services, drain, reload_drain, read_options)
  local function nothing() end
  local function given()
    local options <const> = {}
    for _, service in ipairs(services) do options[service.name] = service.given end
    return options
  end
  return setmetatable({ services = services, drain = drain, reload_drain = reload_drain or RELOAD_DRAIN_SECONDS,
    read_options = read_options or given, is_watching = false, tried = {},
    retry = core.waitlist(), reloading = semaphore(1), scope = core.scope(), loaded = 0, running = #services,
    stopping = false, failed = false, gently = false, changed = core.waitlist(), on_loaded = nothing,
    on_failed = nothing }, Run)
end

return M
