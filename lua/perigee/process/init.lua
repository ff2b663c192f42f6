--- Other processes: commands with piped streams, and scripts with a channel for messages. A process that was started
--- is reaped when it ends, whoever holds it. It is told to end (SIGTERM) when its object is closed or collected (its
--- streams hold it, too), and when this process ends.

local core <const> = require "core.process"
local serial <const> = require "core.serial"
local system <const> = require "core.system"
local connected <const> = require "perigee.process.connected"
local inherited <const> = require "perigee.process.inherited"
local spawn <const> = require "perigee.process.spawn"
local server <const> = require "perigee.server"

local START_OPTIONS <const> = { arguments = true, name = true, run_options = true }

local M <const> = {
  pid = system.pid(),
  executable = core.executable(), ---@type string the path of our own binary
  arguments = inherited.arguments, ---@type any[] what process.start gave this script
}

local function check_table(name, value)
  if value ~= nil and type(value) ~= "table" then
    error(("bad argument '%s' (a table expected, got %s)"):format(name, type(value)), 0)
  end
  return value or {}
end

local function run(arguments, options)
  return spawn.child(arguments, check_table("options", options))
end

---@class perigee.process.Options
---@field stdin "pipe"|"inherit"|"null"|any|nil default "null"; or what it is: a connection, descriptor, file ...
---@field stdout "pipe"|"inherit"|"null"|any|nil default "pipe"
---@field stderr "pipe"|"inherit"|"null"|"stdout"|any|nil default "inherit"
---@field environment table<string, string|number|false>? added to ours; false removes
---@field clear_environment boolean? only what `environment` has
---@field directory string? where it runs
---@field descriptors table<integer, any>? what it has under these numbers, from 3; nothing else is inherited
---@field group boolean? in a process group of its own, which signals reach as a whole; default true
---@field user string? as that user (name or number), with its groups
---@field grace number? seconds between SIGTERM and SIGKILL, default 5

--- Starts a program. It is found by PATH, and no shell looks at its arguments. Connections among what it is given are
--- closed here once it runs; all else stays open here.
---@param arguments string[] the program and its arguments
---@param options perigee.process.Options?
---@return perigee.Child?
---@return string? message
---@return string? code "unreachable": there is no such program, directory or user; "denied"; "limit"
function M.run(arguments, options)
  return server.returned(pcall(run, arguments, options))
end

local function command_line(script, options)
  local list <const> = { connected.binary(), "run" }
  local run_options <const> = check_table("run_options", options.run_options or inherited.run_options)
  table.move(run_options, 1, #run_options, #list + 1, list)
  list[#list + 1] = "--"
  list[#list + 1] = script
  return list
end

local function start(script, options)
  if type(script) ~= "string" then error("bad argument 'script' (a path expected)", 0) end
  options = check_table("options", options)
  local greeting <const> = { name = options.name, arguments = check_table("arguments", options.arguments) }
  serial.encode(greeting) -- raises for what cannot travel
  local child <const>, message <const>, code <const> = connected.start(command_line(script, options), options,
    inherited.variable, options.name or script, START_OPTIONS)
  if not child then return nil, message, code end
  child.channel:send(greeting)
  return child
end

---@class perigee.process.StartOptions: perigee.process.Options
---@field arguments any[]? process.arguments of the script: whatever a channel can send
---@field name string? of the service that the script is, default that of its file
---@field run_options string[]? of `perigee run`: { "--log", "json" }; default --log and --log-level as they are here

--- Starts another process of this binary that runs a script, with a channel to it: child.channel here,
--- process.channel() there. Its standard output is ours, unless options.stdout says otherwise. It ends when the script
--- has ended and serves nothing.
---@param script string a path, as seen from options.directory
---@param options perigee.process.StartOptions?
---@return perigee.Child?
---@return string? message
---@return string? code
function M.start(script, options)
  return server.returned(pcall(start, script, options))
end

--- In a script that process.start runs, the channel to the process that started it; nil in others. When that process
--- has ended, receive fails with "closed".
---@return perigee.process.Channel?
function M.channel()
  return inherited.channel
end

return M
