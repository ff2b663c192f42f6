--- Other processes: commands with piped streams, and scripts with a channel for messages. A process that was started
--- is reaped when it ends, whoever holds it. It is told to end (SIGTERM) when its object is closed or collected (its
--- streams hold it, too), and when this process ends.

local core <const> = require "core.process"
local connection <const> = require "core.connection"
local serial <const> = require "core.serial"
local system <const> = require "core.system"
local channel <const> = require "perigee.process.channel"
local children <const> = require "perigee.process.child"
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

--- The binary as it runs here: another one may be at its path by now.
local function own_binary()
  local path <const>, is_same <const> = core.executable()
  return is_same and path or "/proc/self/exe"
end

local function command_line(script, options)
  local list <const> = { own_binary(), "run" }
  local run_options <const> = check_table("run_options", options.run_options or inherited.run_options)
  table.move(run_options, 1, #run_options, #list + 1, list)
  list[#list + 1] = "--"
  list[#list + 1] = script
  return list
end

--- Two numbers from 3 that are free.
local function free_numbers(descriptors)
  local numbers <const>, number = {}, 3
  while #numbers < 2 do
    if descriptors[number] == nil then numbers[#numbers + 1] = number end
    number = number + 1
  end
  return numbers[1], numbers[2]
end

local function copy(values)
  local copied <const> = {}
  for key, value in pairs(values or {}) do copied[key] = value end
  return copied
end

--- The options with the two sockets of a channel added.
local function with_channel(options, stream, descriptors)
  local given <const> = copy(options)
  given.descriptors, given.environment = copy(options.descriptors), copy(options.environment)
  local first <const>, second <const> = free_numbers(given.descriptors)
  given.descriptors[first], given.descriptors[second] = stream, descriptors
  given.environment[inherited.variable] = ("%d,%d"):format(first, second)
  given.stdout = options.stdout or "inherit"
  return given
end

local function close_all(list)
  return setmetatable(list, { __close = function()
    for _, item in ipairs(list) do item:close() end
  end })
end

local function start(script, options)
  if type(script) ~= "string" then error("bad argument 'script' (a path expected)", 0) end
  options = check_table("options", options)
  local greeting <const> = { name = options.name, arguments = check_table("arguments", options.arguments) }
  serial.encode(greeting) -- raises for what cannot travel
  local ours <const>, theirs, code = connection.pair()
  if not ours then return nil, theirs, code end
  local sockets <close> = close_all { ours, theirs }
  local our_descriptors <const>, their_descriptors, word = connection.pair()
  if not our_descriptors then return nil, their_descriptors, word end
  sockets[3], sockets[4] = our_descriptors, their_descriptors
  local name <const> = options.name or script
  local given <const> = with_channel(options, theirs, their_descriptors)
  local child <const>, message <const>, short <const> = spawn.child(command_line(script, options), given, name,
    START_OPTIONS)
  if not child then return nil, message, short end
  for index in ipairs(sockets) do sockets[index] = nil end
  children.add(child, "channel", channel.new(ours, our_descriptors, ("process %d (%s)"):format(child.pid, name)))
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
