--- Processes of our own binary that are connected with this one by a channel.

local connection <const> = require "core.connection"
local core <const> = require "core.process"
local channel <const> = require "perigee.process.channel"
local children <const> = require "perigee.process.child"
local place <const> = require "perigee.place"
local spawn <const> = require "perigee.process.spawn"

local M <const> = {}

--- The binary as it runs here: another one may be at its path by now.
---@return string path
function M.binary()
  local path <const>, is_same <const> = core.executable()
  return is_same and path or "/proc/self/exe"
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

--- The options with the two sockets of a channel added, and with the memory that `local:` means.
local function with_channel(options, variable, stream, descriptors)
  local given <const> = copy(options)
  given.descriptors, given.environment = copy(options.descriptors), copy(options.environment)
  local first <const>, second <const> = free_numbers(given.descriptors)
  given.descriptors[first], given.descriptors[second] = stream, descriptors
  given.environment[variable] = ("%d,%d"):format(first, second)
  local memory <const>, name <const> = place.variable()
  if given.environment[memory] == nil then given.environment[memory] = name end
  given.stdout = options.stdout or "inherit"
  return given
end

local function close_all(list)
  return setmetatable(list, { __close = function()
    for _, item in ipairs(list) do item:close() end
  end })
end

--- Starts a process with a channel, which the environment variable tells it of. Misuse raises at level 0.
---@param arguments string[]
---@param options table of process.run
---@param variable string
---@param name string? for messages
---@param more table<string, boolean>? further options that the caller knows
---@return perigee.Child? child with its channel
---@return string? message
---@return string? code
function M.start(arguments, options, variable, name, more)
  local ours <const>, theirs, code = connection.pair()
  if not ours then return nil, theirs, code end
  local sockets <close> = close_all { ours, theirs }
  local our_descriptors <const>, their_descriptors, word = connection.pair()
  if not our_descriptors then return nil, their_descriptors, word end
  sockets[3], sockets[4] = our_descriptors, their_descriptors
  local given <const> = with_channel(options, variable, theirs, their_descriptors)
  local child <const>, message <const>, short <const> = spawn.child(arguments, given, name, more)
  if not child then return nil, message, short end
  for index in ipairs(sockets) do sockets[index] = nil end
  local title <const> = ("process %d (%s)"):format(child.pid, child.name)
  children.add(child, "channel", channel.new(ours, our_descriptors, title))
  return child
end

return M
