--- perigee check: loads scripts without serving, and tells what is wrong with them: syntax, undefined globals, options,
--- addresses. Each problem is one line that begins with FILE:LINE. That somebody serves an address now is none, as the
--- script itself may run already: it is said as a note.

local core <const> = require "core.task"
local environment <const> = require "perigee.service.environment"
local given <const> = require "perigee.cli.given"
local globals <const> = require "perigee.cli.globals"
local instance <const> = require "perigee.service.instance"

local M <const> = {}

local SECONDS <const> = 5 -- for a main chunk: what it serves is served by then, a client may go on for ever

local function undefined_globals(path)
  local problems <const> = {}
  local chunk <const>, message <const> = loadfile(path, "t")
  if not chunk then return { message } end
  for _, access in ipairs(globals.undefined(chunk, environment(path))) do
    table.insert(problems, ("%s:%d: undefined global '%s'"):format(path, access.line, access.name))
  end
  return problems
end

--- Runs the main chunk with net.serve looking only whether the address could be served.
local function load_problem(service)
  local loaded, failure
  core.deadline(SECONDS, function() loaded, failure = service:load() end)
  service:each_scope(function(scope) core.group(function() scope:cancel() scope:join() end) end)
  if loaded == nil and failure then return failure.message end
end

local function check_script(path, options, checking)
  local problems <const> = undefined_globals(path)
  if #problems > 0 then return problems end
  local service <const> = instance.new(path, options)
  service.checking = checking
  return { load_problem(service) }
end

local function tell(path, problems, in_use)
  for _, problem in ipairs(problems) do io.stderr:write(problem, "\n") end
  if #problems == 0 then io.stdout:write(path, ": ok\n") end
  for _, message in ipairs(in_use) do io.stdout:write(path, ": note: ", message, ", maybe by this script\n") end
end

---@param arguments { scripts: string[], options: table<string, table<string, string>> }
---@return integer status 0: no problem; 1: problems were printed
function M.main(arguments)
  local status, claimed <const> = 0, {}
  for _, path in ipairs(arguments.scripts) do
    local checking <const> = { claimed = claimed, in_use = {} }
    local problems <const> = check_script(path, arguments.options[given.name_of(path)], checking)
    tell(path, problems, checking.in_use)
    if #problems > 0 then status = 1 end
  end
  return status
end

return M
