--- perigee status: a running process, its workers and where it listens.

local client <const> = require "perigee.supervisor.client"
local json <const> = require "perigee.codec.json"

local M <const> = {}

local COLUMNS <const> = { "worker", "pid", "state", "age", "restarts", "connections", "requests", "memory" }

--- "3d 4h", "12m 5s": the two largest units.
local function duration(seconds)
  local units <const> = { { 86400, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" } }
  local rest, parts <const> = math.floor(seconds), {}
  for _, unit in ipairs(units) do
    local count <const> = rest // unit[1]
    if count > 0 and #parts < 2 then parts[#parts + 1] = ("%d%s"):format(count, unit[2]) end
    rest = rest % unit[1]
  end
  return #parts > 0 and table.concat(parts, " ") or "0s"
end

local function mebibytes(bytes)
  return bytes and ("%.1f MiB"):format(bytes / 1048576) or "-"
end

local function cell(worker, name)
  local value <const> = worker[name]
  if value == nil then return "-" end
  if name == "age" then return duration(value) end
  if name == "memory" then return mebibytes(value) end
  return tostring(value)
end

local function rows_of(workers)
  local rows <const> = { COLUMNS }
  for i, worker in ipairs(workers) do
    rows[i + 1] = {}
    for column, name in ipairs(COLUMNS) do rows[i + 1][column] = cell(worker, name) end
  end
  return rows
end

--- Columns as wide as their widest cell.
local function table_text(rows)
  local widths <const>, lines <const> = {}, {}
  for column in ipairs(COLUMNS) do
    widths[column] = 0
    for _, row in ipairs(rows) do widths[column] = math.max(widths[column], #row[column]) end
  end
  for i, row in ipairs(rows) do
    local cells <const> = {}
    for column, text in ipairs(row) do cells[column] = text .. (" "):rep(widths[column] - #text) end
    lines[i] = (table.concat(cells, "  "):gsub("%s+$", ""))
  end
  return table.concat(lines, "\n")
end

local function summary(status)
  local lines <const> = { ("perigee %d: %s, for %s, %s"):format(status.pid, status.state, duration(status.age),
    mebibytes(status.memory)) }
  for _, listener in ipairs(status.listeners) do
    lines[#lines + 1] = ("  %s  %s"):format(listener.service, listener.address)
  end
  return table.concat(lines, "\n")
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
  if arguments.json then
    print(json.encode(answer.status, { sort_keys = true }))
  else
    print(summary(answer.status) .. "\n\n" .. table_text(rows_of(answer.status.workers)))
  end
  return 0
end

return M
