--- What a process tells about itself, for `perigee status`.

local core <const> = require "core.task"
local system <const> = require "core.system"
local watchdog <const> = require "core.watchdog"

local COLLECTED_SECONDS <const> = 5 -- after which old code without tasks should be gone

local M <const> = {}

--- Bytes of a process in memory; nil when it has ended.
---@param pid integer
---@return integer?
function M.memory_of(pid)
  local file <close> = io.open(("/proc/%d/status"):format(pid))
  local kibibytes <const> = file and file:read("a"):match "VmRSS:%s*(%d+)"
  return kibibytes and math.tointeger(tonumber(kibibytes)) * 1024
end

local function each_open_server(service, f)
  for generation in pairs(service.generations) do
    for _, server in ipairs(generation.servers) do
      if server.is_open then f(server) end
    end
  end
end

local function listeners_of(services)
  local list <const> = {}
  for _, service in ipairs(services) do
    each_open_server(service, function(server)
      for i, at in ipairs(server.addresses) do
        list[#list + 1] = { service = service.name, address = tostring(at), active = i == 1 and server:active() or nil }
      end
    end)
  end
  return list
end

local function connections_of(service)
  local count = 0
  for generation in pairs(service.generations) do
    for _, server in ipairs(generation.servers) do count = count + server:active() end
  end
  return count
end

--- How many tasks of each generation serve somebody.
local function count_by_generation()
  local counts <const> = {}
  for _, task in ipairs(core.list()) do
    local generation <const> = task.kind ~= "task" and task.context
    if generation then counts[generation] = (counts[generation] or 0) + 1 end
  end
  return counts
end

--- A generation that newer code has replaced, and who still holds it.
local function describe_old(generation, connections, with_holders)
  local holders <const> = with_holders and require "perigee.service.holders"
  return { number = generation.number, state = generation.state,
    seconds = core.now() - (generation.replaced or generation.began), tasks = generation.scope.count,
    connections = connections,
    holders = holders and holders.of(generation.service, generation) or {} }
end

--- Did it serve, and does it still do something, or should it have been collected by now?
local function is_worth_telling(generation)
  if not generation.replaced then return false end
  return generation.scope.count > 0 or core.now() - generation.replaced > COLLECTED_SECONDS
end

local function old_generations(service, with_holders)
  local old <const>, list <const> = {}, {}
  for generation in pairs(service.generations) do
    if is_worth_telling(generation) then old[#old + 1] = generation end
  end
  table.sort(old, function(a, b) return a.number < b.number end)
  local connections <const> = #old > 0 and count_by_generation()
  for i, generation in ipairs(old) do list[i] = describe_old(generation, connections[generation] or 0, with_holders) end
  return list
end

local function describe(service, with_holders)
  local current <const> = service:current()
  return { name = service.name, path = service.path, generation = current and current.number,
    alone = current and current.is_alone or nil, elsewhere = current and current.is_elsewhere or nil,
    reloads = service.reloads, failed_reloads = service.failed_reloads, cut = service.cut, tasks = service:tasks(),
    connections = connections_of(service), age = current and core.now() - current.began,
    alive = old_generations(service, with_holders) }
end

local function state_of(run)
  if run.stopping then return "stopping" end
  return run.loaded == #run.services and "serving" or "loading"
end

--- Seconds that one pass of the loop takes now.
local function lag()
  core.sleep(0)
  local before <const> = system.time()
  core.sleep(0)
  return math.max(0, system.time() - before)
end

--- Of the process that runs here. Counts of what has happened are since its start.
---@param run perigee.service.Run
---@param request { holders: boolean? } false: who holds old code is not looked for, which takes time
---@return table
function M.of_process(run, request)
  local totals <const> = core.totals()
  local services <const>, connections = {}, 0
  for i, service in ipairs(run.services) do
    services[i] = describe(service, request.holders ~= false)
    connections = connections + services[i].connections
  end
  return { pid = system.pid(), state = state_of(run), connections = connections, services = services,
    accepted = totals.accepted, requests = totals.requests, datagrams = totals.datagrams, tasks = run:tasks(),
    slices = watchdog.slices(), memory = M.memory_of(system.pid()),
    heap = math.floor(collectgarbage "count" * 1024), lag = lag(), listeners = listeners_of(run.services) }
end

--- The command.
---@param run perigee.service.Run
---@param request { holders: boolean? }
---@return table
function M.status(run, request)
  return { ok = true, status = M.of_process(run, request) }
end

return M
