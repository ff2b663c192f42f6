--- What process.start gave this process: the channel to its parent, its name and its arguments. `perigee run` takes it
--- before it loads a script.

local core <const> = require "core.process"
local descriptor <const> = require "core.descriptor"
local channel <const> = require "perigee.process.channel"

local VARIABLE <const> = "PERIGEE_CHANNEL" -- the numbers of the channel's descriptors: "3,4"

local M <const> = {
  variable = VARIABLE,
  channel = nil, ---@type perigee.process.Channel?
  name = nil, ---@type string?
  arguments = {}, ---@type any[] of process.start
  run_options = {}, ---@type string[] of `perigee run`, for the processes that this one starts
}

local function connection_of(number)
  local inherited <const>, message <const>, code <const> = descriptor.inherited(math.tointeger(tonumber(number)))
  if not inherited then return nil, message, code end
  return inherited:connection()
end

local function open_channel(text, other)
  local first <const>, second <const> = text:match "^(%d+),(%d+)$"
  if not first then return nil, "it is not of the form NUMBER,NUMBER" end
  local stream <const>, message <const> = connection_of(first)
  if not stream then return nil, message end
  local descriptors <const>, why <const> = connection_of(second)
  if not descriptors then return nil, why end
  return channel.new(stream, descriptors, other)
end

--- Opens the channel that an environment variable tells of, and forgets it there: what this process starts does not
--- see it.
---@param variable string
---@param other string whom it leads to, for messages
---@return perigee.process.Channel|false|nil channel false: there is no such variable
---@return string? message
function M.open(variable, other)
  local text <const> = os.getenv(variable)
  if not text then return false end
  core.unset(variable)
  local opened <const>, message <const> = open_channel(text, other)
  if not opened then return nil, ("%s=%s: %s"):format(variable, text, message) end
  return opened
end

--- Takes what process.start gave.
---@return true?
---@return string? message
function M.take()
  local opened <const>, message <const> = M.open(VARIABLE, "the parent process")
  if not opened then return opened == false or nil, message end
  local greeting <const>, why <const> = opened:receive()
  if not greeting then return nil, why end
  M.channel, M.name = opened, greeting.name
  table.move(greeting.arguments, 1, #greeting.arguments, 1, M.arguments)
  return true
end

--- Closes the channel, if there is one.
function M.close()
  if M.channel then M.channel:close() end
end

return M
