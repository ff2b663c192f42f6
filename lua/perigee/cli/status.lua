--- perigee status: a running process, where it listens, its services and its workers.

local client <const> = require "perigee.supervisor.client"
local columns <const> = require "perigee.cli.columns"
local json <const> = require "perigee.codec.json"
local overview <const> = require "perigee.cli.overview"

local M <const> = {}

local function listener_rows(listeners)
  local rows <const> = {}
  for i, listener in ipairs(listeners or {}) do rows[i] = { listener.service, listener.address } end
  return rows
end

local function number_text(number)
  return number and ("%d"):format(number) or "-"
end

-- Of each worker: title, and text.
local CELLS <const> = {
  { "worker", function(worker) return number_text(worker.worker) end },
  { "pid", function(worker) return number_text(worker.pid) end },
  { "state", function(worker) return worker.state or "-" end },
  { "age", function(worker) return columns.duration(worker.age) end },
  { "restarts", function(worker) return number_text(worker.restarts) end },
  { "connections", function(worker) return number_text(worker.connections) end },
  { "requests", function(worker) return number_text(worker.requests) end },
  { "memory", function(worker) return columns.bytes(worker.memory) end },
  { "heap", function(worker) return columns.bytes(worker.heap) end },
  { "lag", function(worker) return columns.milliseconds(worker.lag) end },
}

local function is_shown(title, status)
  return status.mode ~= "single" or title ~= "worker" and title ~= "restarts"
end

local function worker_row(worker, status)
  local row <const> = {}
  for _, cell in ipairs(CELLS) do
    if is_shown(cell[1], status) then row[#row + 1] = worker and cell[2](worker) or cell[1] end
  end
  return row
end

local function worker_lines(status)
  local rows <const>, right <const> = { worker_row(nil, status) }, {}
  for column, title in ipairs(rows[1]) do right[column] = title ~= "state" end
  for _, worker in ipairs(status.workers) do rows[#rows + 1] = worker_row(worker, status) end
  return columns.text(rows, { right = right })
end

local function alive_text(status)
  local lines <const> = {}
  for _, generation in ipairs(overview.alive(status)) do
    lines[#lines + 1] = generation.title
    for _, holder in ipairs(generation.holders) do lines[#lines + 1] = "  " .. holder end
  end
  return table.concat(lines, "\n")
end

--- A status, for people. What a silent worker has not told is shown as "-".
---@param status table answer.status
---@return string text without a line feed at its end
function M.text(status)
  local parts <const>, listeners <const> = { overview.summary(status) }, listener_rows(status.listeners)
  if #listeners > 0 then parts[1] = parts[1] .. "\n" .. columns.text(listeners, { indent = 2 }) end
  local services <const> = overview.services(status)
  if #services > 0 then
    local rows <const>, right <const> = overview.service_rows(services)
    parts[#parts + 1] = columns.text(rows, { right = right })
  end
  parts[#parts + 1] = worker_lines(status)
  for _, text in ipairs { table.concat(overview.slices(status), "\n"), alive_text(status) } do
    if text ~= "" then parts[#parts + 1] = text end
  end
  return table.concat(parts, "\n\n")
end

---@param arguments { control: string?, json: boolean? }
---@return integer status 0: it was shown; 1: nothing runs, or it does not answer
function M.main(arguments)
  local answer <const>, conn <const> = client.ask(arguments.control, { command = "status" })
  if not answer then
    io.stderr:write("perigee: ", conn, "\n")
    return 1
  end
  conn:close()
  print(arguments.json and json.encode(answer.status, { sort_keys = true }) or M.text(answer.status))
  return 0
end

return M
