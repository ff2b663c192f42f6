--- What a process tells about itself, for `perigee status`.

local core <const> = require "core.task"
local system <const> = require "core.system"

local M <const> = {}

--- Bytes of a process in memory; nil when it has ended.
---@param pid integer
---@return integer?
function M.memory_of(pid)
  local file <close> = io.open(("/proc/%d/status"):format(pid))
  local kibibytes <const> = file and file:read("a"):match "VmRSS:%s*(%d+)"
  return kibibytes and math.tointeger(tonumber(kibibytes)) * 1024
end

local function listeners_of(services)
  local list <const> = {}
  for _, service in ipairs(services) do
    for _, server in ipairs(service.servers) do
      for i, at in ipairs(server.is_open and server.addresses or {}) do
        list[#list + 1] = { service = service.name, address = tostring(at), active = i == 1 and server:active() or nil }
      end
    end
  end
  return list
end

local function connections_of(services)
  local count = 0
  for _, service in ipairs(services) do
    for _, server in ipairs(service.servers) do count = count + server:active() end
  end
  return count
end

local function state_of(run)
  if run.stopping then return "stopping" end
  return run.loaded == #run.services and "serving" or "loading"
end

--- Of the process that runs here. Counts of what has happened are since its start.
---@param run perigee.service.Run
---@return table
function M.of_process(run)
  local totals <const> = core.totals()
  return { pid = system.pid(), state = state_of(run), connections = connections_of(run.services),
    accepted = totals.accepted, requests = totals.requests, datagrams = totals.datagrams, tasks = run:tasks(),
    memory = M.memory_of(system.pid()), listeners = listeners_of(run.services) }
end

return M
