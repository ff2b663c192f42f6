--- What `perigee status` and `perigee top` make of the answers of all workers: services, and old code that is alive.

local columns <const> = require "perigee.cli.columns"

local M <const> = {}

---@class perigee.cli.ServiceOverview
---@field name string
---@field alone boolean? it is served by the first worker alone
---@field first integer? the oldest generation that serves in a worker
---@field last integer? the newest
---@field reloads integer
---@field failed_reloads integer
---@field connections integer in all workers
---@field tasks integer in all workers
---@field age number? seconds since the last worker has got it

local function add(overview, service)
  local number <const> = service.generation
  if number then
    overview.first = math.min(overview.first or number, number)
    overview.last = math.max(overview.last or number, number)
  end
  overview.alone = overview.alone or service.elsewhere
  if service.age then overview.age = math.min(overview.age or math.huge, service.age) end
  overview.reloads = math.max(overview.reloads, service.reloads or 0)
  overview.failed_reloads = math.max(overview.failed_reloads, service.failed_reloads or 0)
  overview.connections = overview.connections + (service.connections or 0)
  overview.tasks = overview.tasks + (service.tasks or 0)
end

--- The services of all workers together, in the order that they were given in.
---@param status table answer.status
---@return perigee.cli.ServiceOverview[]
function M.services(status)
  local list <const>, by_name <const> = {}, {}
  for _, worker in ipairs(status.workers) do
    for _, service in ipairs(worker.services or {}) do
      local overview = by_name[service.name]
      if not overview then
        overview = { name = service.name, reloads = 0, failed_reloads = 0, connections = 0, tasks = 0 }
        list[#list + 1], by_name[service.name] = overview, overview
      end
      add(overview, service)
    end
  end
  return list
end

-- "4", or "3 to 4" while workers differ.
local function generation_text(service)
  if not service.first then return "-" end
  if service.first == service.last then return tostring(service.first) end
  return ("%d to %d"):format(service.first, service.last)
end

local function reloads_text(service)
  if service.failed_reloads == 0 then return tostring(service.reloads) end
  return ("%d, %d failed"):format(service.reloads, service.failed_reloads)
end

--- Services in columns, with titles.
---@param services perigee.cli.ServiceOverview[]
---@return string[][] rows
---@return table<integer, boolean> right columns that stand to the right
function M.service_rows(services)
  local rows <const> = { { "service", "generation", "since", "reloads", "connections", "tasks" } }
  for _, service in ipairs(services) do
    local name <const> = service.alone and service.name .. " (worker 1)" or service.name
    rows[#rows + 1] = { name, generation_text(service), columns.duration(service.age), reloads_text(service),
      tostring(service.connections), tostring(service.tasks) }
  end
  return rows, { [2] = true, [3] = true, [5] = true, [6] = true }
end

--- "perigee 4242: serving, for 3d 11h, 11.8 MiB".
---@param status table answer.status
---@return string
function M.summary(status)
  return ("perigee %d: %s, for %s, %s"):format(status.pid, status.state, columns.duration(status.age),
    columns.bytes(status.memory))
end

local function is_numbered(worker)
  return (worker.worker or 0) > 0
end

local function slices_line(worker)
  local slices <const> = worker.slices or {}
  local warned <const>, stopped <const> = slices.warned or 0, slices.stopped or 0
  if warned + stopped == 0 then return nil end
  local where <const> = is_numbered(worker) and ("worker %d: "):format(worker.worker) or ""
  local longest <const> = slices.longest and (" (%.1f s at most)"):format(slices.longest) or ""
  return ("%s%s too long%s, %d stopped"):format(where, columns.count(math.max(warned, stopped), "slice"), longest,
    stopped)
end

--- A line for each worker in which something has computed for too long.
---@param status table answer.status
---@return string[]
function M.slices(status)
  local lines <const> = {}
  for _, worker in ipairs(status.workers) do lines[#lines + 1] = slices_line(worker) end
  return lines
end

local function title_of(worker, service, generation)
  local where <const> = is_numbered(worker) and (" in worker %d"):format(worker.worker) or ""
  local had <const> = {}
  if generation.connections then had[1] = columns.count(generation.connections, "connection") end
  if generation.tasks then had[#had + 1] = columns.count(generation.tasks, "task") end
  return ("%s, generation %d%s: %s, replaced %s ago%s"):format(service.name, generation.number, where,
    generation.state or "old", columns.duration(generation.seconds), #had > 0 and ", " .. table.concat(had, ", ") or "")
end

--- The generations that newer code has replaced, and that are still there: title, and who holds each.
---@param status table answer.status
---@return { title: string, holders: string[] }[]
function M.alive(status)
  local list <const> = {}
  for _, worker in ipairs(status.workers) do
    for _, service in ipairs(worker.services or {}) do
      for _, generation in ipairs(service.alive or {}) do
        list[#list + 1] = { title = title_of(worker, service, generation), holders = generation.holders or {} }
      end
    end
  end
  return list
end

return M
