--- Several commands that are sent in one piece.

local commands <const> = require "perigee.redis.commands"

---@class perigee.redis.Pipeline
---@field words string[] each command, encoded
local Pipeline <const> = { __name = "perigee.redis.Pipeline" }
commands.add_methods(Pipeline)

--- Adds a command. p:call("SET", key, value) or p:set(key, value).
---@param name string
---@param ... string|number|perigee.Buffer
---@return integer index of its reply in the results
function Pipeline:call(name, ...)
  local upper <const> = commands.upper(name)
  commands.check(upper, (...))
  if commands.waits(upper, ...) then error(upper .. " waits at the server: use client:blocking", 2) end
  local words <const> = self.words
  words[#words + 1] = commands.encode(name, ...)
  return #words
end

function Pipeline:__len()
  return #self.words
end

function Pipeline:__tostring()
  return ("redis pipeline: %d commands"):format(#self.words)
end

---@return perigee.redis.Pipeline
return function()
  return setmetatable({ words = {} }, Pipeline)
end
