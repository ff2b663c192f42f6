--- Where the queues and stores of one machine are kept: the environment of core.durable in the directory of a place.

local durable <const> = require "core.durable"

local MEMORY <const> = 1 << 30 -- bytes that the stores and queues in a place in memory may take

local M <const> = {}

--- Opens the environment of a place, and a queue or a store in it.
---@param place perigee.Place
---@param kind "queue"|"store"
---@param name string
---@param size integer? bytes that all of them may take; default 8 GiB, in memory 1 GiB
---@return perigee.Durable? environment
---@return any part the queue or the store; the message when there is no environment
---@return string title for messages: "local: sessions"; or the code
function M.open(place, kind, name, size)
  local environment <const>, message <const>, code <const> = durable.open(place.directory,
    { sync = place.is_durable, size = size or not place.is_durable and MEMORY or nil })
  if not environment then return nil, message, code end
  local part <const>, why <const>, word <const> = environment[kind](environment, name)
  if part then return environment, part, ("%s: %s"):format(place.is_durable and place.directory or "local", name) end
  environment:close()
  return nil, why, word
end

return M
