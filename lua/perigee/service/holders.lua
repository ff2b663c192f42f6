--- Who keeps an old version of a script alive: its tasks, stacks on which its functions still are, and what the newer
--- version has been left.

local core <const> = require "core.task"
local reach <const> = require "perigee.service.reach"
local stacks <const> = require "perigee.service.stacks"

local M <const> = {}

local OBJECTS <const> = 200000 -- that are looked at, at most
local PEERS <const> = 3        -- that are named
local UNKNOWN <const> = "nothing that is known: garbage that is not collected yet"

local PLURALS <const> = { connection = "connections", request = "requests", websocket = "WebSockets",
  datagram = "datagrams", task = "tasks" }
local SINGULARS <const> = { connection = "a connection", request = "a request", websocket = "a WebSocket",
  datagram = "a datagram", task = "a task" }

local function count_text(kind, count)
  return count == 1 and SINGULARS[kind] or ("%d %s"):format(count, PLURALS[kind])
end

-- Tasks in groups that are told of in one line each.

---@class perigee.service.holders.Group
---@field kind string
---@field text string what is said of all
---@field tasks { thread: thread, context: any }[]

local function add_to_group(groups, key, kind, text, task)
  local group = groups[key]
  if not group then
    group = { kind = kind, text = text, tasks = {} }
    groups[key] = group
    groups[#groups + 1] = group
  end
  table.insert(group.tasks, task)
end

--- ": tcp://127.0.0.1:5012, ..." or "".
local function peers_text(tasks)
  local peers <const> = {}
  for index = 1, math.min(#tasks, PEERS) do peers[#peers + 1] = stacks.peer(tasks[index].thread) end
  if #peers == 0 then return "" end
  if #tasks > #peers then peers[#peers + 1] = "..." end
  return ": " .. table.concat(peers, ", ")
end

local DOING <const> = { ready = "about to run", running = "running", ending = "waiting for tasks of its own" }

local function doing_text(task, files)
  if DOING[task.state] then return DOING[task.state] end
  local place <const> = stacks.place(task.thread, files)
  return place == "" and "waiting" or "waiting in " .. place
end

--- What serves a peer is told by its peers, other tasks by where they wait.
local function own_tasks(generation, tasks)
  local groups <const>, texts <const> = {}, {}
  for _, task in ipairs(tasks) do
    if task.context == generation then
      local text <const> = task.kind == "task" and " " .. doing_text(task, generation.sources.texts) or ""
      add_to_group(groups, task.kind .. text, task.kind, text, task)
    end
  end
  for index, group in ipairs(groups) do
    local rest <const> = group.kind == "task" and group.text or peers_text(group.tasks)
    texts[index] = count_text(group.kind, #group.tasks) .. rest
  end
  return texts
end

local function whose_text(context, service, count)
  if context == nil then return " of the process" end
  if context.service ~= service then return (" of %s"):format(context.name) end
  return count == 1 and " that has moved" or " that have moved"
end

--- Tasks of others on whose stacks functions of the old version still are.
local function other_stacks(service, generation, tasks)
  local groups <const>, texts <const>, known <const> = {}, {}, {}
  for _, task in ipairs(tasks) do
    local f <const> = task.context ~= generation and task.thread ~= coroutine.running()
      and stacks.function_of(task.thread, generation.environment, known)
    if f then
      local text <const> = reach.function_text(f)
      add_to_group(groups, ("%s %s %s"):format(task.kind, task.context, text), task.kind, text, task)
    end
  end
  for index, group in ipairs(groups) do
    local count <const> = #group.tasks
    texts[index] = ("the stack of %s%s, in %s%s"):format(count_text(group.kind, count),
      whose_text(group.tasks[1].context, service, count), group.text, peers_text(group.tasks))
  end
  return texts
end

-- Values.

local function targets_of(generation)
  return { [generation.environment] = "the globals of the old code", [generation] = "the old code itself" }
end

local function sorted_names(map)
  local names <const> = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function let_others_run() core.sleep(0) end

--- The first thing in each state that holds it.
local function look_at_states(service, targets, budget)
  local texts <const> = {}
  for _, name in ipairs(sorted_names(service.states)) do
    local way <const>, visited <const> = reach.find(service.states[name].value, name, targets, budget, let_others_run)
    budget = budget - visited
    if way then texts[#texts + 1] = ("state '%s': %s"):format(name, way) end
    if budget < 0 then
      texts[#texts + 1] = ("state '%s': there is too much in it to look at all"):format(name)
      return texts
    end
  end
  return texts
end

--- A shared module may have been given something.
local function look_at_modules(targets, budget)
  local modules <const> = {}
  for name, module in pairs(package.loaded) do
    if name ~= "_G" and name ~= "package" then modules[name] = module end
  end
  return { (reach.find(modules, "package.loaded", targets, budget, let_others_run)) }
end

local function append(list, more)
  for _, item in ipairs(more) do list[#list + 1] = item end
end

local function look_at_tasks(service, generation)
  local tasks <const> = core.list()
  table.sort(tasks, function(a, b) return a.id < b.id end)
  local texts <const> = own_tasks(generation, tasks)
  append(texts, other_stacks(service, generation, tasks))
  return texts
end

--- Who keeps an old version of a service alive, a text for each. To be called in a task, which lets others run when
--- there is much to look at.
---@param service perigee.Service
---@param generation perigee.service.Generation
---@param objects integer? that are looked at, at most; default 200,000
---@return string[]
function M.of(service, generation, objects)
  local texts <const> = look_at_tasks(service, generation)
  local targets <const>, budget <const> = targets_of(generation), objects or OBJECTS
  append(texts, look_at_states(service, targets, budget))
  if #texts == 0 then append(texts, look_at_modules(targets, budget)) end
  if #texts == 0 then texts[1] = UNKNOWN end
  return texts
end

return M
