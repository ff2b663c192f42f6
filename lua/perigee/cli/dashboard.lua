--- The lines that `perigee top` shows: of a sample, with the rates since the one before.

local columns <const> = require "perigee.cli.columns"
local overview <const> = require "perigee.cli.overview"
local rates_of <const> = require "perigee.cli.rates"

local M <const> = {}

---@class perigee.cli.Line
---@field text string
---@field is_title boolean?

local function number_text(number)
  return number and ("%d"):format(number) or "-"
end

local function rate_text(rate)
  if not rate then return "-" end
  return (rate >= 100 and "%.0f" or "%.1f"):format(rate)
end

local function percent_text(share)
  return share and ("%.0f%%"):format(share * 100) or "-"
end

-- Of each worker: title, text, and what must be counted somewhere for it to be shown.
local CELLS <const> = {
  { "worker", function(worker) return number_text(worker.worker) end },
  { "pid", function(worker) return number_text(worker.pid) end },
  { "state", function(worker) return worker.state or "-" end },
  { "cpu", function(_, rates) return percent_text(rates.processor) end },
  { "connections", function(worker) return number_text(worker.connections) end },
  { "accepted/s", function(_, rates) return rate_text(rates.accepted) end, "accepted" },
  { "requests/s", function(_, rates) return rate_text(rates.requests) end, "requests" },
  { "datagrams/s", function(_, rates) return rate_text(rates.datagrams) end, "datagrams" },
  { "tasks", function(worker) return number_text(worker.tasks) end },
  { "memory", function(worker) return columns.bytes(worker.memory) end },
  { "lag", function(worker) return columns.milliseconds(worker.lag) end },
}

local function is_counted(status, name)
  for _, worker in ipairs(status.workers) do
    if (worker[name] or 0) > 0 then return true end
  end
  return false
end

local function shown_cells(status)
  local cells <const> = {}
  for _, cell in ipairs(CELLS) do
    local is_shown <const> = not cell[3] or is_counted(status, cell[3])
    if is_shown and (cell[1] ~= "worker" or status.mode ~= "single") then cells[#cells + 1] = cell end
  end
  return cells
end

local function worker_rows(status, rates)
  local cells <const>, rows <const>, right <const> = shown_cells(status), { {} }, {}
  for column, cell in ipairs(cells) do
    rows[1][column], right[column] = cell[1], cell[1] ~= "state"
  end
  for i, worker in ipairs(status.workers) do
    rows[i + 1] = {}
    for column, cell in ipairs(cells) do rows[i + 1][column] = cell[2](worker, rates[i]) end
  end
  return rows, right
end

local function add_table(lines, rows, right)
  lines[#lines + 1] = { text = "" }
  for i, text in ipairs(columns.lines(rows, { right = right })) do
    lines[#lines + 1] = { text = text, is_title = i == 1 }
  end
end

local function sum_of(status, name)
  local sum = 0
  for _, worker in ipairs(status.workers) do sum = sum + (worker[name] or 0) end
  return sum
end

local function totals_text(status, rates)
  local sum <const>, parts <const> = rates_of.sum(rates), {}
  local function add(name, rate) parts[#parts + 1] = ("%s %s/s"):format(rate_text(rate), name) end
  for _, name in ipairs { "accepted", "requests", "datagrams" } do
    if is_counted(status, name) then add(name, sum[name]) end
  end
  parts[#parts + 1] = columns.count(sum_of(status, "connections"), "connection")
  parts[#parts + 1] = columns.count(sum_of(status, "tasks"), "task")
  parts[#parts + 1] = ("%s cpu"):format(percent_text(sum.processor))
  return table.concat(parts, ", ")
end

local function add_alive(lines, status)
  for _, generation in ipairs(overview.alive(status)) do
    lines[#lines + 1] = { text = "" }
    lines[#lines + 1] = { text = generation.title }
    for _, holder in ipairs(generation.holders) do lines[#lines + 1] = { text = "  " .. holder } end
  end
end

local function add_slices(lines, status)
  for i, text in ipairs(overview.slices(status)) do
    if i == 1 then lines[#lines + 1] = { text = "" } end
    lines[#lines + 1] = { text = text }
  end
end

--- All of it. What a silent worker has not told is shown as "-", and so is each rate of the first sample.
---@param before perigee.cli.Sample?
---@param after perigee.cli.Sample
---@return perigee.cli.Line[]
function M.lines(before, after)
  local status <const>, rates <const> = after.status, {}
  for i, worker in ipairs(status.workers) do rates[i] = rates_of.of_worker(worker, before, after) end
  local lines <const> = { { text = overview.summary(status) }, { text = totals_text(status, rates) } }
  local services <const> = overview.services(status)
  if #services > 0 then add_table(lines, overview.service_rows(services)) end
  add_table(lines, worker_rows(status, rates))
  add_slices(lines, status)
  add_alive(lines, status)
  return lines
end

--- As many of the lines as fit, and of each as much as fits.
---@param lines perigee.cli.Line[]
---@param width integer columns
---@param height integer lines
---@return perigee.cli.Line[]
function M.fit(lines, width, height)
  local fitting <const> = {}
  for i = 1, math.min(#lines, height) do
    fitting[i] = { text = columns.cut(lines[i].text, width), is_title = lines[i].is_title }
  end
  if #lines > height and height > 0 then
    fitting[height] = { text = columns.cut(("... %d more lines"):format(#lines - height + 1), width) }
  end
  return fitting
end

return M
