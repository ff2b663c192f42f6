--- What begins with a dot at the console's prompt.

local near <const> = require "perigee.cli.near"

local M <const> = {}

local HELP <const> = [[
.help               this list
.services           the services of the process
.service NAME       evaluate in another one
.worker NUMBER      evaluate in another worker
.tasks              every task, and what it waits for
.status             the process, its workers and where it listens
.reload [SERVICE]   load the script again; without a name all, with certificates and options
.quit               as Ctrl-D

Everything else is Lua, and is evaluated inside of the service: an expression, whose values are shown, or statements.
It knows the service's state by name, the globals of its script and those locals of it that functions use; what is
assigned to them holds for the service. Other names are variables of this console; a `local` lasts for its line.
reload() is .reload of this service; TAB completes names. Ctrl-C interrupts what waits; what computes without waiting
is ended after the seconds of --stop-after.]]

---@type table<string, fun(session: perigee.cli.console.Session, argument: string?): boolean, string?>
local commands <const> = {}

function commands.help()
  print(HELP)
  return true
end

local function describe_service(service, is_current)
  return ("%s %-20s generation %-4s connections %-6s tasks %-6s %s"):format(is_current and "*" or " ", service.name,
    service.generation or "-", service.connections or "-", service.tasks or "-", service.path or "")
end

function commands.services(session)
  local done <const>, message <const> = session:look()
  if not done then return false, message end
  for _, service in ipairs(session:services()) do print(describe_service(service, service.name == session.service)) end
  return true
end

function commands.service(session, name)
  if not name then return false, ".service needs a name: .service NAME" end
  local done <const>, message <const> = session:look()
  if not done then return false, message end
  return session:use_service(name)
end

function commands.worker(session, text)
  local number <const> = math.tointeger(tonumber(text))
  if not number then return false, ".worker needs a number: .worker NUMBER" end
  local done <const>, message <const> = session:look()
  if not done then return false, message end
  return session:use_worker(number)
end

--- The same as the command of that name in a shell.
local function as_in_a_shell(name, session, arguments)
  arguments.control = session.path
  return require("perigee.cli." .. name).main(arguments) == 0
end

function commands.tasks(session)
  return as_in_a_shell("tasks", session, {})
end

function commands.status(session)
  return as_in_a_shell("status", session, {})
end

function commands.reload(session, name)
  return as_in_a_shell("reload", session, { services = { name } })
end

--- The names, for completion.
---@return string[] sorted
function M.names()
  local names <const> = { ".quit" }
  for name in pairs(commands) do names[#names + 1] = "." .. name end
  table.sort(names)
  return names
end

--- Is the line one of these?
---@param line string
---@return boolean
function M.is_command(line)
  return line:find "^%s*%.%a" ~= nil
end

--- Runs one.
---@param session perigee.cli.console.Session
---@param line string
---@return boolean? done false: it has failed; nil: the console is to end
---@return string? message why it has failed, unless that was shown
function M.run(session, line)
  local name <const>, argument <const> = line:match "^%s*%.(%a+)%s*(.-)%s*$"
  if name == "quit" then return nil end
  local command <const> = commands[name]
  if command then return command(session, argument ~= "" and argument or nil) end
  local hint <const> = near.suggest("." .. tostring(name), M.names())
  return false, ("there is no command '%s'%s; .help lists them"):format(line:match "^%s*(%S+)", hint)
end

return M
