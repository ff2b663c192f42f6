--- Evaluates what is typed at a console, inside a service: in a task of the generation that serves, with the names that
--- perigee.console.names tells.

local compile <const> = require "perigee.console.compile"
local core <const> = require "core.task"
local pretty <const> = require "perigee.console.pretty"
local quote <const> = require "perigee.console.quote"
local sessions <const> = require "perigee.console.sessions"
local watchdog <const> = require "core.watchdog"

local SECONDS <const> = 30    -- that a line may take
local MESSAGE <const> = 65536 -- bytes of an error's message that are shown

local M <const> = {}

--- What was stopped may have been in our own code just then: that is not where the user would look.
local function failed(message, code, output)
  local plain <const> = message:gsub("^[%w_./-]*perigee/console/%a+%.lua:%d+: ", "")
  return { ok = false, message = quote.valid(plain, MESSAGE), code = code, output = quote.valid(output or "") }
end

local function names_of_services(run)
  local names <const> = {}
  for i, service in ipairs(run.services) do names[i] = service.name end
  return table.concat(names, ", ")
end

--- The service of a name; without one, the only one.
---@param run perigee.service.Run
---@param name string?
---@return perigee.Service?
---@return string? message
function M.find_service(run, name)
  if name == nil and #run.services == 1 then return run.services[1] end
  for _, service in ipairs(run.services) do
    if service.name == name then return service end
  end
  if name == nil then return nil, "say which service: there are " .. names_of_services(run) end
  return nil, ("there is no service '%s'; there is %s"):format(tostring(name), names_of_services(run))
end

--- The session and the names that a request is about.
---@return perigee.console.Session?
---@return perigee.console.Names|string names or, without a session, why there is none
---@return string? code
function M.open(run, request)
  local id <const> = request.session
  if type(id) ~= "string" or #id > 100 then return nil, "the request has no session", "protocol" end
  local service <const>, message <const> = M.find_service(run, request.service)
  if not service then return nil, message, "unreachable" end
  if not service.generation then return nil, ("service '%s' is not loaded"):format(service.name), "unreachable" end
  local session <const>, why <const>, code <const> = sessions.of(run):of(id)
  if not session then return nil, why, code end
  return session, session:names_of(service)
end

-- Inside the line's task.

local function has_script_frame(traceback)
  for frame in traceback:gmatch "\n\t([^\n]+)" do
    if not frame:find "^console:" and not frame:find "^%[C%]" and not frame:find "^%.%.%." then return true end
  end
end

--- A traceback that ends with the line; none when it would say nothing but that.
local function traceback_of(level)
  local traceback <const> = debug.traceback("stack traceback:", level + 1):gsub("^stack traceback:\n", "", 1)
  local own <const> = traceback:gsub("\n\t%[C%]: in function 'xpcall'\n\t[^\n]*perigee/console/.*$", "")
    :gsub("\n\t[^\n]*perigee/console/[^\n]*", "")
  return has_script_frame(own) and own or nil
end

local function message_of(value)
  if type(value) == "string" or type(value) == "number" then return tostring(watchdog.explain(value)) end
  local metatable <const> = debug.getmetatable(value)
  if metatable and rawget(metatable, "__tostring") then return tostring(value) end
  return "error value: " .. pretty.value(value)
end

--- Keeps what an interruption is, and what ends a line; of an error, its text and where it was.
local function with_traceback(value)
  if core.is_interruption(value) or sessions.is_unwinding(value) then return value end
  return { message = message_of(value), traceback = traceback_of(2) }
end

--- A lack of memory comes without a call of the handler.
local function explained(failure)
  return type(failure) == "string" and { message = watchdog.explain(failure) } or failure
end

local function evaluate(chunk)
  local values <const> = table.pack(xpcall(chunk, with_traceback))
  if not values[1] then return { failure = explained(values[2]) } end
  local shown <const>, text <const> = xpcall(pretty.values, with_traceback, values, 2)
  return shown and { results = text } or { failure = explained(text) }
end

local function run_line(chunk)
  local outcome <const>, _ <const>, code <const> = core.deadline(SECONDS, evaluate, chunk)
  return outcome or { failure = { code = code } }
end

-- The answer.

local interruptions <const> = {
  timeout = ("the line has taken %d seconds: it is stopped"):format(SECONDS),
  cancelled = "the line was cancelled: the generation in which it ran has ended",
}

--- `failure` has a message, or the code of an interruption.
local function describe_failure(session, failure, output)
  if type(failure) ~= "userdata" and failure.message then
    local answer <const> = failed(failure.message, "failed", output)
    answer.traceback = failure.traceback and quote.valid(failure.traceback)
    return answer
  end
  if session.interrupted then return failed("interrupted", "cancelled", output) end
  return failed(interruptions[failure.code] or tostring(failure), failure.code, output)
end

local function describe_reload(answer, output)
  if not answer.ok then
    local refusal <const> = failed(answer.message, answer.code, output)
    refusal.traceback = answer.traceback
    return refusal
  end
  local lines <const> = {}
  for i, service in ipairs(answer.services) do
    lines[i] = ("reloaded %s: generation %d"):format(service.name, service.generation)
  end
  return { ok = true, output = quote.valid(output), results = table.concat(lines, "\n") }
end

--- A reload cancels the tasks of the generation that it replaces, so it comes when the line is over.
local function reload(run, session, output)
  local wanted <const> = session.reload
  session.reload = nil
  return describe_reload(run:reload { services = { wanted.service } }, output)
end

--- Runs a line to its end, and gives what it came to.
local function run_in(generation, session, chunk)
  local running <close> = generation.scope:enter(run_line, chunk)
  session.running, session.interrupted, session.reload = running, false, nil
  local _ <close> = setmetatable({}, { __close = function() session.running = nil end })
  local outcome <const>, message <const>, code <const> = running:join()
  return outcome or { failure = code == "failed" and { message = message } or { code = code } }
end

local function answer_of(run, session, outcome, output)
  if session.reload then return reload(run, session, output) end
  if outcome.failure then return describe_failure(session, outcome.failure, output) end
  return { ok = true, output = quote.valid(output), results = quote.valid(outcome.results) }
end

local function evaluate_line(run, session, names, chunk)
  local _ <close> = setmetatable({}, { __close = function()
    names.output:close()
    names:refresh()
  end })
  names.output:open()
  local outcome <const> = run_in(names.service.generation, session, chunk)
  return answer_of(run, session, outcome, names.output:close())
end

--- Evaluates `source` in a service. An input that lacks its end gives { ok = true, incomplete = true, message = }.
---@param run perigee.service.Run
---@param request { session: string, service: string?, source: string }
---@return table answer { ok = true, output =, results = } or { ok = false, message =, code =, traceback =, output = }
function M.evaluate(run, request)
  local session <const>, names <const>, code <const> = M.open(run, request)
  if not session then return failed(names, code) end
  if type(request.source) ~= "string" then return failed("the request has no source", "protocol") end
  if session.running then return failed("this console evaluates a line already", "exists") end
  names:refresh()
  local chunk <const>, message <const>, incomplete <const> = compile.compile(request.source, names.environment)
  if incomplete then return { ok = true, incomplete = true, message = quote.valid(message) } end
  if not chunk then return failed(message, "failed") end
  return evaluate_line(run, session, names, chunk)
end

--- Interrupts the line of a session, where it waits; with `forget`, the session is over and its variables are gone.
---@param run perigee.service.Run
---@param request { session: string, forget: boolean? }
---@return table answer { ok = true }
function M.interrupt(run, request)
  local of_run <const> = sessions.of(run)
  local session <const> = of_run.by_id[request.session]
  if session then session:interrupt() end
  if request.forget then of_run:forget(request.session) end
  return { ok = true }
end

return M
