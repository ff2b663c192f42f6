--- The command line: perigee COMMAND ... Exit status 0: well; 1: a script failed or has problems; 2: wrong usage.

local digest <const> = require "core.digest"
local system <const> = require "core.system"
local arguments <const> = require "perigee.cli.arguments"
local given <const> = require "perigee.cli.given"

local M <const> = {}

local VERSION <const> = "0.1.0"

local function seconds(text)
  local number <const> = tonumber(text)
  if number and number >= 0 then return number end
  return nil, "seconds of 0 or more"
end

local function days(text)
  local number <const> = math.tointeger(tonumber(text))
  if number and number >= 1 and number <= 3650 then return number end
  return nil, "days from 1 to 3650"
end

local function workers(text)
  if text == "auto" then return system.processors() end
  local number <const> = math.tointeger(tonumber(text))
  if number and number >= 1 and number <= 1024 then return number end
  return nil, "auto, or a number from 1 to 1024"
end

local function interval(text)
  local number <const> = tonumber(text)
  if number and number >= 0.1 and number <= 86400 then return number end
  return nil, "seconds from 0.1 to 86400"
end

local function count(text)
  local number <const> = math.tointeger(tonumber(text))
  if number and number >= 1 then return number end
  return nil, "a number from 1"
end

local function processes(text)
  local number <const> = math.tointeger(tonumber(text))
  if number and number >= 1 and number <= 100000 then return number end
  return nil, "a number from 1 to 100000"
end

local UNITS <const> = { [""] = 1, K = 1 << 10, M = 1 << 20, G = 1 << 30, T = 1 << 40 }

local function size(text)
  local number <const>, unit <const> = text:match "^(%d+%.?%d*)([KMGT]?)$"
  local bytes <const> = number and math.floor(tonumber(number) * UNITS[unit])
  if bytes and (bytes == 0 or bytes >= 1 << 20) then return math.tointeger(bytes) end
  return nil, "bytes such as 512M or 2G, at least 1M, or 0 for no limit"
end

local control <const> = { name = "control", value = "PATH", help = "the process's control socket" }

local scripts <const> = { name = "scripts", shown = "SCRIPT", many = true, help = "a service in Lua" }
local set <const> = { name = "set", value = "SERVICE.NAME=VALUE", repeated = true, help = "an option of a service" }
local config <const> = { name = "config", value = "FILE",
  help = "a file of options, SERVICE.NAME = VALUE in each line; --set wins over it" }

local specification <const> = {
  name = "perigee",
  summary = "A scriptable network server: services are Lua scripts.",
  commands = {
    {
      name = "run", summary = "run scripts as services",
      options = {
        set, config,
        { name = "log", choices = { "text", "json" }, default = "text", help = "how events are logged to stderr" },
        { name = "log-level", choices = { "debug", "info", "warn", "error" }, default = "info",
          help = "the least that is logged" },
        { name = "drain", value = "SECONDS", convert = seconds, default = 10,
          help = "time for connections to end after a stop" },
        { name = "reload-drain", value = "SECONDS", convert = seconds, default = 60,
          help = "time for connections of old code to end after a reload" },
        { name = "watch", help = "reload a script when it, or what it has loaded, is saved" },
        { name = "dev", help = "for development: clients are shown the tracebacks of errors" },
        { name = "workers", value = "NUMBER", convert = workers,
          help = "processes that serve, restarted when they die; auto: one for each processor" },
        { name = "balance", help = "each connection goes to the worker that has the fewest" },
        { name = "process-per-client", help = "each connection gets a process of its own" },
        { name = "processes", value = "NUMBER", convert = processes, default = 256,
          help = "that there may be with --process-per-client" },
        { name = "warn-after", value = "SECONDS", convert = seconds, default = 0.1,
          help = "log what computes for so long without waiting; 0: never" },
        { name = "stop-after", value = "SECONDS", convert = seconds, default = 5,
          help = "stop a task that computes for so long without waiting; 0: never" },
        { name = "memory", value = "SIZE", convert = size,
          help = "that scripts may have in a process: 512M, 2G; 0: no limit; default: 1 GiB, less on a small machine" },
        { name = "user", value = "NAME[:GROUP]", help = "whose rights remain when the addresses are bound" },
        { name = "control", value = "PATH", help = "where to make the control socket" },
      },
      positionals = { scripts },
    },
    { name = "status", summary = "show a running process and its workers",
      options = { control, { name = "json", help = "for programs" } } },
    { name = "top", summary = "show what a running process does, anew each second",
      options = { control,
        { name = "interval", value = "SECONDS", convert = interval, default = 1, help = "between two looks" },
        { name = "count", value = "NUMBER", convert = count, help = "of looks; default: until q is pressed" } } },
    { name = "tasks", summary = "show what each task of a running process waits for, or kill one",
      options = { control,
        { name = "stacks", help = "with the Lua stack of each" },
        { name = "worker", value = "NUMBER", convert = arguments.integer, help = "which one; default all" },
        { name = "json", help = "for programs" } },
      positionals = {
        { name = "action", shown = "kill", choices = { "kill" }, optional = true, help = "ends a task where it waits" },
        { name = "id", shown = "ID", convert = arguments.integer, optional = true, help = "of the task" } } },
    { name = "reload", summary = "load the scripts of a running process again, all or none",
      options = { control, { name = "dry-run", help = "say what would change, and change nothing" } },
      positionals = { { name = "services", shown = "SERVICE", many = true, optional = true,
        help = "default: all, with certificates and options" } } },
    { name = "console", summary = "evaluate Lua inside a running service",
      options = { control,
        { name = "worker", value = "NUMBER", convert = arguments.integer, help = "which one; default the first" },
        { name = "evaluate", short = "e", value = "EXPRESSION", help = "evaluate this, and end" } },
      positionals = { { name = "service", shown = "SERVICE", optional = true, help = "default: the only one" } } },
    { name = "stop", summary = "stop a running process, and wait until it has ended", options = { control } },
    { name = "upgrade", summary = "replace a supervisor by the binary that is at its path now", options = { control } },
    { name = "check", summary = "load scripts without serving, and tell what is wrong", options = { set, config },
      positionals = { scripts } },
    { name = "new", summary = "make a service that runs, with its spec",
      options = { { name = "directory", value = "PATH", default = ".",
        help = "where to make NAME.lua and spec/NAME_spec.lua" } },
      positionals = {
        { name = "kind", choices = { "tcp", "udp", "http", "websocket", "rpc" },
          help = "tcp, udp, http, websocket or rpc" },
        { name = "name", help = "of the service and its file" } } },
    { name = "test", summary = "run busted inside the runtime",
      positionals = { { name = "arguments", shown = "ARGUMENT", many = true, optional = true, verbatim = true,
        help = "busted's own" } } },
    { name = "cert", summary = "make a certificate for development, signed by itself",
      options = {
        { name = "days", value = "DAYS", convert = days, default = 365, help = "how long it is valid" },
        { name = "directory", value = "PATH", default = ".", help = "where HOST.crt and HOST.key are written" },
      },
      positionals = { { name = "names", shown = "HOST", many = true,
        help = "names and IP addresses that it is for; the first one names the files" } } },
    { name = "version", summary = "show the versions of perigee and what it is made with" },
    { name = "help", summary = "show this help, or what a command takes",
      positionals = { { name = "about", shown = "COMMAND", optional = true } } },
  },
}

local function complain(message)
  io.stderr:write("perigee: ", message, "\n")
  return 2
end

--- Commands that take scripts get their options sorted by service.
local function with_scripts(command)
  return function(result)
    local options <const>, message <const> = given.read(result)
    local is_worker <const> = os.getenv "PERIGEE_WORKER" ~= nil -- its supervisor says what the options are
    if not options and not is_worker then return complain(message) end
    result.options = options or {}
    return require("perigee.cli." .. command).main(result)
  end
end

local commands <const> = { check = with_scripts "check" }

local function contradiction(result)
  if result.balance and not result.workers then return "--balance needs --workers" end
  if result.process_per_client and result.workers then
    return "--process-per-client starts processes as they are needed: without --workers"
  end
end

--- Services are told apart by their names.
local function same_name(given_scripts)
  local paths <const> = {}
  for _, path in ipairs(given_scripts) do
    local name <const> = given.name_of(path)
    if paths[name] then return ("two scripts are the service '%s': %s and %s"):format(name, paths[name], path) end
    paths[name] = path
  end
end

function commands.run(result)
  local message <const> = contradiction(result) or same_name(result.scripts)
  if message then return complain(message) end
  return with_scripts "run"(result)
end

for _, name in ipairs { "status", "top", "tasks", "reload", "console", "stop", "upgrade" } do
  commands[name] = function(result) return require("perigee.cli." .. name).main(result) end
end

function commands.test(result)
  local first <const> = result.arguments[1]
  if first == "--help" or first == "-h" then
    print "usage: perigee test [busted's arguments] [FILE...]"
    print "\nruns busted inside the runtime: a spec can open sockets and sleep"
    return 0
  end
  return require "perigee.cli.test".main(result.arguments)
end

function commands.new(result)
  return require "perigee.cli.new".main(result)
end

function commands.cert(result)
  return require "perigee.cli.cert".main(result)
end

function commands.version()
  local versions <const> = system.versions()
  print(("perigee %s (%s, %s, %s)"):format(VERSION, versions.lua, versions.libev, versions.openssl))
  return 0
end

function commands.help(result)
  if result and result.about then return M.main { result.about, "--help" } end
  print((arguments.help(specification):gsub("\n$", "")))
  print "\nperigee COMMAND --help shows what a command takes"
  return 0
end

--- Lua's own seed is of the second and of addresses: of two processes it can be the same.
local function seed()
  local high <const>, low <const> = string.unpack("<i8i8", digest.random(16))
  math.randomseed(high, low)
end

---@param argv string[]
---@return integer status
function M.main(argv)
  seed()
  if argv[1] == "--version" then return commands.version() end
  if #argv == 0 then
    io.stderr:write(arguments.help(specification))
    return 2
  end
  local result <const>, message <const> = arguments.parse(specification, argv)
  if not result then return complain(message) end
  if result.help then
    io.stdout:write(result.help)
    return 0
  end
  result.argv = argv
  return commands[result.command](result)
end

return M
