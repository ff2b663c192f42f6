--- What can be asked of a process that runs services, by its control socket or by its supervisor: each command takes
--- the run and the request, and answers with plain data: { ok = true, ... }, or { ok = false, message =, code =, ... }.

local core <const> = require "core.task"
local traceback <const> = require "perigee.service.traceback"

local M <const> = {}

---@type table<string, fun(run: perigee.service.Run, request: table): table>
local commands <const> = {}

-- The module of a command is loaded when it is first asked for: few processes are ever asked.
local modules <const> = {
  status = "perigee.service.status",
  tasks = "perigee.service.tasks",
  kill = "perigee.service.tasks",
  evaluate = "perigee.console.evaluate",
  interrupt = "perigee.console.evaluate",
  complete = "perigee.console.complete",
}

local function find(name)
  if not commands[name] and modules[name] then commands[name] = require(modules[name])[name] end
  return commands[name]
end

function commands.reload(run, request)
  return run:reload(request)
end

--- Is there such a command?
---@param name any
---@return boolean
function M.has(name)
  return commands[name] ~= nil or modules[name] ~= nil
end

--- Calls a function that answers. When it raises, which is a fault of ours, the answer says so.
---@param name string of the command
---@param f fun(...): table
---@return table answer
function M.protect(name, f, ...)
  local ok <const>, answer <const> = xpcall(f, traceback.handler, ...)
  if ok then return answer end
  if core.is_interruption(answer) then error(answer, 0) end
  return { ok = false, message = name .. ": " .. answer.message, traceback = answer.traceback, code = "failed" }
end

--- Answers a request.
---@param run perigee.service.Run
---@param name string
---@param request table
---@return table
function M.answer(run, name, request)
  return M.protect(name, find(name), run, request)
end

return M
