--- The tasks of a process, for `perigee tasks`.

local core <const> = require "core.task"
local log <const> = require "perigee.log"
local stacks <const> = require "perigee.service.stacks"

local M <const> = {}

--- What a task waits on, when that is an object: the first argument of the call that waits. Not its own peer's
--- connection, of which that tells enough.
local function object_of(thread, peer)
  local _, value <const> = debug.getlocal(thread, 0, 1)
  if type(value) ~= "userdata" then return nil end
  local metatable <const> = debug.getmetatable(value)
  local name <const> = type(metatable) == "table" and rawget(metatable, "__name")
  if type(name) ~= "string" or not name:find "^perigee%." then return nil end
  local ok <const>, text <const> = pcall(tostring, value)
  return ok and not (peer and text:find(peer, 1, true)) and text or nil
end

local function waits_text(task, files, peer)
  if task.state ~= "waiting" then return task.state end
  local info <const> = debug.getinfo(task.thread, 0, "nS")
  local object <const> = object_of(task.thread, peer)
  local place <const> = stacks.place(task.thread, files)
  local called <const> = info and info.name or "waiting"
  if object then return ("%s on %s"):format(place ~= "" and place or called, object) end
  return place ~= "" and place or called
end

--- The lines of the script's functions alone.
local function traceback_of(thread)
  local lines <const> = {}
  for line in debug.traceback(thread):gmatch "\n(\t[^\n]+)" do
    if not line:find "^%s*%[C%]: " then lines[#lines + 1] = line:gsub("^%s+", "") end
  end
  return table.concat(lines, "\n")
end

local function describe(task)
  local generation <const>, peer <const> = task.context, stacks.peer(task.thread)
  return { id = task.id, service = generation and generation.name or "perigee",
    generation = generation and generation.number, state = task.state, age = task.age, kind = task.kind,
    waits = waits_text(task, generation and generation.sources.texts or {}, peer), peer = peer,
    traceback = traceback_of(task.thread) }
end

--- Those that belong to a service; with `all` also the process's own.
---@param request { all: boolean? }
---@return table answer
function M.tasks(_, request)
  local list <const> = {}
  for _, task in ipairs(core.list()) do
    if task.thread ~= coroutine.running() and (task.context or request.all) then list[#list + 1] = describe(task) end
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return { ok = true, tasks = list }
end

local function is_of_a_service(id)
  for _, task in ipairs(core.list()) do
    if task.id == id then return task.context ~= nil end
  end
  return false
end

--- Cancels a task of a service: it ends where it waits.
---@param request { id: integer }
---@return table answer
function M.kill(_, request)
  local id <const> = math.tointeger(request.id)
  if id and is_of_a_service(id) and core.kill(id) then
    log.info("a task is killed", { task = id, asked = "by the control socket" })
    return { ok = true }
  end
  return { ok = false, message = ("there is no task %s of a service"):format(request.id), code = "unreachable" }
end

return M
