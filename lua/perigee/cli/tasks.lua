--- perigee tasks: every task of a running process, what it waits for, and its end.

local client <const> = require "perigee.supervisor.client"
local columns <const> = require "perigee.cli.columns"
local json <const> = require "perigee.codec.json"
local screen <const> = require "core.screen"

local M <const> = {}

local TITLES <const> = { "ID", "SERVICE", "GEN", "AGE", "KIND", "PEER", "WAITS" }

local function complain(message)
  io.stderr:write("perigee: ", message, "\n")
  return 1
end

local function row_of(task, has_workers)
  local row <const> = { tostring(task.id), task.service, tostring(task.generation or "-"), columns.duration(task.age),
    task.kind, task.peer or "-", task.waits }
  if has_workers then table.insert(row, 1, tostring(task.worker)) end
  return row
end

--- Each line of the table, and below it the stack when that is wanted.
local function lines_of(tasks, width, with_stacks)
  local has_workers <const> = tasks[1] ~= nil and tasks[1].worker ~= nil
  local titles <const> = has_workers and { "WORKER", table.unpack(TITLES) } or TITLES
  local rows <const> = { titles }
  for i, task in ipairs(tasks) do rows[i + 1] = row_of(task, has_workers) end
  local lines <const> = columns.lines(rows, { width = not with_stacks and width or nil })
  if not with_stacks then return lines end
  local long <const> = { lines[1] }
  for i, task in ipairs(tasks) do
    long[#long + 1] = lines[i + 1]
    for line in task.traceback:gmatch "[^\n]+" do long[#long + 1] = "      " .. line end
  end
  return long
end

local function show(arguments, tasks)
  if arguments.json then
    print(json.encode(json.array(tasks), { sort_keys = true }))
  elseif #tasks == 0 then
    print "no task: nothing is under way"
  else
    print(table.concat(lines_of(tasks, (screen.size()), arguments.stacks), "\n"))
  end
  return 0
end

local function kill(arguments, id)
  local answer <const>, conn <const> = client.ask(arguments.control,
    { command = "kill", id = id, worker = arguments.worker })
  if not answer then return complain(conn) end
  conn:close()
  print("killed " .. id)
  return 0
end

---@param arguments table of the command line: action, id, worker, json, stacks, control
---@return integer status 0: shown, or killed; 1: there is no such task, or no process that answers; 2: wrong usage
function M.main(arguments)
  if arguments.action and not arguments.id then
    io.stderr:write "perigee: kill needs the ID of a task: perigee tasks kill ID\n"
    return 2
  end
  if arguments.action then return kill(arguments, arguments.id) end
  local answer <const>, conn <const> = client.ask(arguments.control, { command = "tasks", worker = arguments.worker })
  if not answer then return complain(conn) end
  conn:close()
  return show(arguments, answer.tasks)
end

return M
