--- What is asked of a supervisor, but only its workers can answer.

local core <const> = require "core.task"

--- The workers that a request is for: the one it names, or all that serve.
local function chosen(supervisor, request)
  local list <const> = {}
  for _, slot in ipairs(supervisor.slots) do
    local is_named <const> = request.worker == nil or request.worker == slot.number
    if is_named and slot.state == "serving" then list[#list + 1] = slot end
  end
  table.sort(list, function(a, b) return a.number < b.number end)
  return list
end

local function ask_all(slots, command, request)
  local answers <const> = {}
  core.group(function(group)
    for i, slot in ipairs(slots) do
      group:spawn(function()
        answers[i] = slot:ask(command, request)
        answers[i].worker = slot.number
      end)
    end
  end)
  return answers
end

local mergers <const> = {}

--- The tasks of all; of one that does not answer, what is wrong with it.
function mergers.tasks(answers)
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

--- One is enough that has it.
function mergers.kill(answers)
  for _, answer in ipairs(answers) do
    if answer.ok then return answer end
  end
  return answers[1]
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
  local merge <const> = mergers[command]
  if merge then return merge(ask_all(slots, command, request)) end
  local answer <const> = slots[1]:ask(command, request)
  answer.worker = slots[1].number
  return answer
end
