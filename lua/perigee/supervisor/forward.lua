--- What is asked of a supervisor, but only its workers can answer.

local at_once <const> = require "perigee.supervisor.at_once"

--- The workers that a request is for: the one it names, or all that serve.
local function chosen(supervisor, request)
  local list <const> = {}
  for _, slot in ipairs(supervisor.slots) do
    local is_named <const> = request.worker == nil or request.worker == slot.number
    if is_named and slot:serving() then list[#list + 1] = slot end
  end
  table.sort(list, function(a, b) return a.number < b.number end)
  return list
end

local function ask(slot, command, request)
  local answer <const> = slot:ask(command, request)
  answer.worker = slot.number
  return answer
end

local function ask_all(slots, command, request)
  return at_once(slots, function(slot) return ask(slot, command, request) end)
end

--- The tasks of all; of one that does not answer, what is wrong with it.
local function merge_tasks(answers)
  local tasks <const> = {}
  for _, answer in ipairs(answers) do
    if not answer.ok then return answer end
    for _, one in ipairs(answer.tasks) do
      one.worker = answer.worker
      tasks[#tasks + 1] = one
    end
  end
  return { ok = true, tasks = tasks }
end

--- Numbers of tasks are each worker's own: those that have one.
local function with_task(slots, id)
  local list <const>, answers <const> = {}, ask_all(slots, "tasks", {})
  for i, answer in ipairs(answers) do
    for _, one in ipairs(answer.tasks or {}) do
      if one.id == id then list[#list + 1] = slots[i] end
    end
  end
  return list
end

--- Kills the task of the only worker that has one of this number.
local function kill(slots, request)
  local found <const> = request.worker and slots or with_task(slots, request.id)
  if #found <= 1 then return (found[1] or slots[1]):ask("kill", request) end
  local names <const> = {}
  for i, slot in ipairs(found) do names[i] = ("--worker %d"):format(slot.number) end
  return { ok = false, message = ("several workers have a task %s, so say which one: %s"):format(request.id,
    table.concat(names, ", or ")), code = "exists" }
end

--- Answers a command: some are for all workers, the others for one, which is the first unless the request says which.
---@param supervisor perigee.Supervisor
---@param command string of perigee.service.commands
---@param request { worker: integer? }
---@return table answer
return function(supervisor, command, request)
  local slots <const> = chosen(supervisor, request)
  if #slots == 0 then
    local which <const> = request.worker and ("worker %s does not serve now"):format(request.worker)
    return { ok = false, message = which or "no worker serves now", code = "unreachable" }
  end
  if command == "kill" then return kill(slots, request) end
  if command == "tasks" then return merge_tasks(ask_all(slots, command, request)) end
  return ask(slots[1], command, request)
end
