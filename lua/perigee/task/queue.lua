--- Work queues: put, get, done and join, as Python's queue has them; first in first out, last in first out, or by
--- priority.

local core <const> = require "core.task"
local heap <const> = require "perigee.task.heap"

---@class perigee.Queue
---@field limit number values held before put waits; math.huge: no limit
local Queue <const> = { __name = "perigee.queue" }
Queue.__index = Queue

--- Each order is a store with push, pop and the length operator.

local Fifo <const> = { __len = function(self) return self.last - self.first + 1 end }
Fifo.__index = Fifo

function Fifo:push(value)
  self.last = self.last + 1
  self[self.last] = value
end

function Fifo:pop()
  local value <const> = self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
  return value
end

local Lifo <const> = { push = function(self, value) self[#self + 1] = value end, pop = table.remove }
Lifo.__index = Lifo

local stores <const> = {
  fifo = function() return setmetatable({ first = 1, last = 0 }, Fifo) end,
  lifo = function() return setmetatable({}, Lifo) end,
  priority = heap,
}

--- Puts a value; waits while the queue is full.
---@param value any not nil
---@param priority number? of a priority queue: lower comes first; default 0
function Queue:put(value, priority)
  if value == nil then error("bad argument 'value' (nil cannot be put)", 2) end
  if priority ~= nil and (type(priority) ~= "number" or priority ~= priority) then -- NaN has no order
    error("bad argument 'priority' (a number expected)", 2)
  end
  while #self.store >= self.limit do self.putters:wait() end
  self.store:push(value, priority or 0)
  self.unfinished = self.unfinished + 1
  self.getters:wake()
end

--- Takes the next value; waits while the queue is empty.
---@param seconds number? to wait at most
---@return any? value
---@return string? message
---@return string? code "timeout"
function Queue:get(seconds)
  local limit <const> = core.now() + (seconds or math.huge)
  while #self.store == 0 do -- woken, but another task was quicker: the time that is left
    if not self.getters:wait(math.max(limit - core.now(), 0)) then
      return nil, "get: the queue stayed empty", "timeout"
    end
  end
  local value <const> = self.store:pop()
  self.putters:wake()
  return value
end

--- Tells that the work on one value that get returned is finished.
function Queue:done()
  if self.unfinished == 0 then error("done was called more often than put", 2) end
  self.unfinished = self.unfinished - 1
  if self.unfinished == 0 then self.joiners:wake(math.huge) end
end

--- Waits until done was called for everything that was put.
function Queue:join()
  while self.unfinished > 0 do self.joiners:wait() end
end

function Queue:__len()
  return #self.store
end

function Queue:__tostring()
  return string.format("%s queue: %d waiting, %d unfinished", self.order, #self.store, self.unfinished)
end

--- Makes a queue.
---@param order "fifo"|"lifo"|"priority"|nil default "fifo"
---@param options { limit: integer? }? values held before put waits; default none
---@return perigee.Queue
return function(order, options)
  order = order or "fifo"
  local store <const> = stores[order]
  if not store then error("bad argument 'order' (one of fifo, lifo, priority expected)", 2) end
  local limit <const> = options and options.limit or math.huge
  if type(limit) ~= "number" or limit < 1 then error("option 'limit' must be 1 or more", 2) end
  return setmetatable({ order = order, store = store(), limit = limit, unfinished = 0,
    putters = core.waitlist(), getters = core.waitlist(), joiners = core.waitlist() }, Queue)
end
