--- What a member of a mesh wants, as the others are told: its topics and globs, and each change of them under a number.

local frames <const> = require "perigee.bus.frames"

local ADD_TOPIC <const>, REMOVE_TOPIC <const>, ADD_GLOB <const>, REMOVE_GLOB <const> = 1, 2, 3, 4
local PART <const> = 256 * 1024 -- bytes of one frame, about

local M <const> = {}

---@class perigee.bus.Changes
---@field package parts string[] operations
local Changes <const> = {}
Changes.__index = Changes

local function note(self, operation, name)
  self.parts[#self.parts + 1] = string.pack("<Bs2", operation, name)
end

function Changes:add_topic(name) note(self, ADD_TOPIC, name) end
function Changes:remove_topic(name) note(self, REMOVE_TOPIC, name) end
function Changes:add_glob(name) note(self, ADD_GLOB, name) end
function Changes:remove_glob(name) note(self, REMOVE_GLOB, name) end

---@return boolean
function Changes:is_empty()
  return #self.parts == 0
end

local function frame(self, number, first, last)
  return frames.pack(frames.WANTS, string.pack("<i8", number) .. table.concat(self.parts, "", first, last))
end

--- The frames that tell of them. The last one has the number, the others have 0.
---@param number integer
---@return string
function Changes:pack(number)
  local packed <const>, bytes, first = {}, 0, 1
  for index = 1, #self.parts - 1 do
    bytes = bytes + #self.parts[index]
    if bytes > PART then
      packed[#packed + 1] = frame(self, 0, first, index)
      bytes, first = 0, index + 1
    end
  end
  packed[#packed + 1] = frame(self, number, first, #self.parts)
  return table.concat(packed)
end

---@return perigee.bus.Changes
function M.new()
  return setmetatable({ parts = {} }, Changes)
end

--- All that is wanted, as if it had changed from nothing.
---@param routes perigee.bus.Routes
---@return perigee.bus.Changes
function M.all(routes)
  local changes <const>, topics <const>, globs <const> = M.new(), routes:names()
  for _, topic in ipairs(topics) do changes:add_topic(topic) end
  for _, glob in ipairs(globs) do changes:add_glob(glob) end
  return changes
end

local operations <const> = { [ADD_TOPIC] = "add_topic", [REMOVE_TOPIC] = "remove_topic", [ADD_GLOB] = "add_glob",
  [REMOVE_GLOB] = "remove_glob" }

--- Does what a frame tells: target:add_topic(name) and so on. Raises for what is no such frame.
---@param bytes string
---@param at integer
---@param stop integer
---@param target table
---@return integer number 0: more of it is to come
function M.apply(bytes, at, stop, target)
  local number, operation, name
  number, at = string.unpack("<i8", bytes, at)
  while at <= stop do
    operation, name, at = string.unpack("<Bs2", bytes, at)
    if not operations[operation] then error(("an operation of kind %d"):format(operation), 0) end
    target[operations[operation]](target, name)
  end
  return number
end

return M
