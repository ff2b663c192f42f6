--- Reloading the services of a process: all that are asked for, or none.

local core <const> = require "core.task"
local log <const> = require "perigee.log"
local watchdog <const> = require "core.watchdog"

---@class perigee.service.Failure
---@field service string? whose script could not be loaded
---@field message string with file and line
---@field traceback string?
---@field code string?
---@field paths string[]? the files that the service was to be loaded from

--- New versions that were loaded aside.
---@class perigee.service.Plan
---@field run perigee.service.Run
---@field candidates perigee.service.Generation[]
---@field options table<string, table<string, string>> of each service
---@field is_over boolean it was committed, or thrown away
local Plan <const> = {}
Plan.__index = Plan

local function listeners_of(candidate)
  local list <const> = {}
  for _, server in ipairs(candidate.servers) do
    for i, endpoint in ipairs(server.is_open and server.endpoints or {}) do
      list[#list + 1] = { address = tostring(server.addresses[i]), kind = endpoint.source and "kept" or "opened" }
    end
  end
  for _, server in ipairs(candidate.replaces.servers) do
    for i, endpoint in ipairs(server.is_open and server.endpoints or {}) do
      if not endpoint.claimed_by then list[#list + 1] = { address = tostring(server.addresses[i]), kind = "closed" } end
    end
  end
  return list
end

local function states_of(candidate)
  local list <const> = {}
  for name, state in pairs(candidate.states) do
    list[#list + 1] = { name = name, kind = state.kind, from = state.from, to = state.version }
  end
  for name, state in pairs(candidate.service.states) do
    if not candidate.states[name] then list[#list + 1] = { name = name, kind = "unused", to = state.version } end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

--- Of an option. The script may have put anything in its place.
local function text_of(value)
  local ok <const>, text <const> = pcall(function()
    return type(value) == "table" and table.concat(value, ",") or tostring(value)
  end)
  return ok and type(text) == "string" and text or "a " .. type(value)
end

--- The options of a version by name, and nothing else that the script may have put there.
local function texts_of(options)
  local texts <const> = {}
  for name, value in next, options or {} do
    if type(name) == "string" then texts[name] = text_of(value) end
  end
  return texts
end

local function options_of(candidate)
  local before <const>, after <const> = texts_of(candidate.replaces.options), texts_of(candidate.options)
  local list <const> = {}
  for name, new in pairs(after) do
    if before[name] ~= new then list[#list + 1] = { name = name, old = before[name], new = new } end
  end
  for name, old in pairs(before) do
    if not after[name] then list[#list + 1] = { name = name, old = old } end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

local function describe(candidate)
  local difference <const> = require "perigee.service.difference"
  return { name = candidate.name, generation = candidate.number, listeners = listeners_of(candidate),
    state = states_of(candidate), options = options_of(candidate),
    functions = difference.functions(candidate.replaces.sources.texts, candidate.sources.texts) }
end

--- What a commit would change.
---@return { services: table[] }
function Plan:describe()
  local services <const> = {}
  for i, candidate in ipairs(self.candidates) do services[i] = describe(candidate) end
  return { services = services }
end

--- What the new versions were loaded from.
---@return { texts: table, options: table, elsewhere: table } the files of each service by path, the options of each,
--- and see elsewhere
function Plan:version()
  local texts <const>, options <const> = {}, {}
  for _, candidate in ipairs(self.candidates) do
    texts[candidate.name], options[candidate.name] = candidate.sources:found(), candidate.given
  end
  return { texts = texts, options = options, elsewhere = self:elsewhere() }
end

--- The services whose new versions the first worker is to serve alone, when this is another one.
---@return table<string, true> by name
function Plan:elsewhere()
  local names <const> = {}
  for _, candidate in ipairs(self.candidates) do names[candidate.name] = candidate.is_elsewhere or nil end
  return names
end

--- What became of one service.
---@class perigee.service.Reloaded
---@field name string
---@field generation integer
---@field alone boolean where there are workers, the first serves it alone
---@field opened string[] addresses that are served from now on
---@field closed string[] addresses that are served no more

local function addresses(listeners, kind)
  local list <const> = {}
  for _, listener in ipairs(listeners) do
    if listener.kind == kind then list[#list + 1] = listener.address end
  end
  return list
end

--- While the new versions were loaded, the process may have been told to stop, and the old ones may have ended, or have
--- closed what was to be taken over.
local function check_still(plan)
  if plan.run.stopping then return nil, { message = "reload: the process is stopping", code = "closed" } end
  for _, candidate in ipairs(plan.candidates) do
    local lost <const> = candidate:lost_address()
    local what <const> = candidate.service.has_ended and candidate.path .. " has ended"
      or lost and tostring(lost) .. " was closed"
    if what then
      return nil, { service = candidate.name, code = "closed",
        message = ("reload: %s while the new version was loaded"):format(what) }
    end
  end
  return true
end

--- Halfway through, a refusal of memory would leave things half done.
local function without_limit()
  local limit <const> = watchdog.limit_memory(nil)
  return setmetatable({}, { __close = function() watchdog.limit_memory(limit) end })
end

--- All new versions take over, in this pass of the loop; or none can.
---@return perigee.service.Reloaded[]?
---@return perigee.service.Failure?
function Plan:commit()
  local fine <const>, failure <const> = check_still(self)
  if not fine then
    self:discard()
    return nil, failure
  end
  local services <const> = {}
  self.is_over = true
  local _ <close> = without_limit()
  for i, candidate in ipairs(self.candidates) do
    local listeners <const> = listeners_of(candidate)
    local old <const> = candidate.service:commit(candidate)
    self.run:drain_generation(old)
    services[i] = { name = candidate.name, generation = candidate.number, alone = candidate.is_alone,
      opened = addresses(listeners, "opened"), closed = addresses(listeners, "closed") }
  end
  return services
end

--- None does.
function Plan:discard()
  if self.is_over then return end
  self.is_over = true
  for _, candidate in ipairs(self.candidates) do candidate:discard() end
end

local M <const> = {}

local function find_service(run, name)
  for _, service in ipairs(run.services) do
    if service.name == name then return service end
  end
  local names <const> = {}
  for i, service in ipairs(run.services) do names[i] = service.name end
  return nil, { message = ("there is no service '%s'; there are: %s"):format(name, table.concat(names, ", ")),
    code = "unreachable" }
end

--- Those that have ended by themselves have no place that could be taken. Of a version, those that are in it: the first
--- worker's, of which some may have ended there and not here.
local function all_living(run, texts)
  local living <const> = {}
  for _, service in ipairs(run.services) do
    if not service.has_ended and (not texts or texts[service.name]) then living[#living + 1] = service end
  end
  return living
end

local function choose(run, names, texts)
  if names ~= nil and type(names) ~= "table" then
    return nil, { message = "reload: a list of services was expected", code = "protocol" }
  end
  if not names or #names == 0 then return all_living(run, texts) end
  local chosen <const>, seen <const> = {}, {}
  for _, name in ipairs(names) do
    local service <const>, failure <const> = find_service(run, name)
    if not service then return nil, failure end
    if not seen[name] then chosen[#chosen + 1] = service end
    seen[name] = true
  end
  return chosen
end

local function check_ready(run, services)
  if run.stopping then return nil, { message = "reload: the process is stopping", code = "closed" } end
  for _, service in ipairs(services) do
    if not service.generation then
      return nil, { service = service.name, code = "exists",
        message = ("reload: the main chunk of %s still runs, so it has not been loaded once"):format(service.path) }
    end
    if service.has_ended then
      return nil, { service = service.name, message = ("reload: %s has ended"):format(service.path), code = "closed" }
    end
  end
  return true
end

local function prepare_one(plan, service, texts, together)
  local candidate <const>, failure <const> = service:prepare(plan.options[service.name] or {}, texts, together)
  if not candidate then
    if plan.run.stopping then failure.message, failure.code = "reload: the process is stopping", "closed" end
    failure.service = service.name
    return nil, failure
  end
  table.insert(plan.candidates, candidate)
  return true
end

local function prepare_all(plan, services, texts)
  local _ <close> = setmetatable({}, { __close = function(_, failure) if failure then plan:discard() end end })
  local together <const> = {}
  for i, service in ipairs(services) do together[i] = service.generation end
  for _, service in ipairs(services) do
    local done <const>, failure <const> = prepare_one(plan, service, texts and texts[service.name], together)
    if not done then
      plan:discard()
      return nil, failure
    end
  end
  return plan
end

--- Loads services as they are now aside. Nothing has changed for anybody, whatever comes of it; the plan is then to be
--- committed or thrown away.
---@param run perigee.service.Run
---@param names string[]? default: all
---@param version { texts: table, options: table }? the files and options, instead of what they are now
---@return perigee.service.Plan?
---@return perigee.service.Failure?
function M.prepare(run, names, version)
  local services <const>, unknown <const> = choose(run, names, version and version.texts)
  if not services then return nil, unknown end
  local ready <const>, unready <const> = check_ready(run, services)
  if not ready then return nil, unready end
  local options, message
  if version then options = version.options else options, message = run.read_options() end
  if not options then return nil, { message = message, code = "protocol" } end
  local plan <const> = setmetatable({ run = run, candidates = {}, options = options, is_over = false }, Plan)
  return prepare_all(plan, services, version and version.texts)
end

--- A failure as an answer for whoever has asked for the reload.
---@param failure perigee.service.Failure
---@return table
function M.answer(failure)
  return { ok = false, message = failure.message, traceback = failure.traceback, service = failure.service,
    code = failure.code or "failed" }
end

--- Tells the log what was reloaded.
---@param services perigee.service.Reloaded[]
---@param workers integer?
function M.tell(services, workers)
  for _, service in ipairs(services) do
    local logs <const> = log.of(service.name)
    logs.info("reloaded", { generation = service.generation, workers = workers })
    local serving <const> = workers and service.alone and 1 or workers
    for _, address in ipairs(service.opened) do logs.info("listening", { address = address, workers = serving }) end
    for _, address in ipairs(service.closed) do logs.info("listening no more", { address = address }) end
  end
end

--- Tells the log why nothing was reloaded.
---@param failure perigee.service.Failure
function M.report(failure)
  log.of(failure.service or "perigee").error("not reloaded: " .. failure.message, { traceback = failure.traceback })
end

--- Ends a generation that was replaced, within so many seconds.
---@param generation perigee.service.Generation
---@param seconds number
function M.drain(generation, seconds)
  local logs <const>, number <const> = log.of(generation.name), generation.number
  local left <const> = generation.scope.count
  local cut <const> = generation:drain(seconds, logs.error)
  generation.service.cut = generation.service.cut + cut
  if cut > 0 then
    logs.warn("the drain deadline of old code has passed: it is ended",
      { generation = number, tasks = cut, seconds = seconds })
  elseif left > 0 then
    logs.debug("old code has ended", { generation = number })
  end
  core.tidy()
end

return M
