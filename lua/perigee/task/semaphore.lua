--- Semaphores: at most so many tasks at a time.

local core <const> = require "core.task"

---@class perigee.Semaphore
---@field free integer places that are not taken
local Semaphore <const> = { __name = "perigee.semaphore" }
Semaphore.__index = Semaphore

local Place <const> = { __name = "perigee.semaphore.place" }
Place.__index = Place

--- Gives the place back; a second time does nothing.
function Place:release()
  local semaphore <const> = self.semaphore
  if not semaphore then return end
  self.semaphore = nil
  semaphore.free = semaphore.free + 1
  semaphore.waiting:wake()
end

Place.__close = Place.release

--- Takes a place; waits while none is free. Use it as `local place <close> = semaphore:acquire()`.
---@param seconds number? to wait at most
---@return table? place with release() and __close
---@return string? message
---@return string? code "timeout"
function Semaphore:acquire(seconds)
  local limit <const> = core.now() + (seconds or math.huge)
  while self.free == 0 do -- woken, but another task was quicker: the time that is left
    if not self.waiting:wait(math.max(limit - core.now(), 0)) then
      return nil, "acquire: no place became free", "timeout"
    end
  end
  self.free = self.free - 1
  return setmetatable({ semaphore = self }, Place)
end

function Semaphore:__tostring()
  return string.format("semaphore: %d free, %d waiting", self.free, #self.waiting)
end

--- Makes a semaphore.
---@param places integer at least 1
---@return perigee.Semaphore
return function(places)
  if math.type(places) ~= "integer" or places < 1 then
    error("bad argument 'places' (an integer of 1 or more expected)", 2)
  end
  return setmetatable({ free = places, waiting = core.waitlist() }, Semaphore)
end
