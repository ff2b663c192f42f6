--- Channels: values from tasks to tasks, in order, with back-pressure.

local core <const> = require "core.task"

---@class perigee.Channel
---@field capacity integer values that are held before a sender waits; 0: a sender waits until its value is taken
local Channel <const> = { __name = "perigee.channel" }
Channel.__index = Channel

local function is_full(self)
  return self.last - self.first + 1 >= math.max(self.capacity, 1)
end

--- Takes back what its sender no longer wants delivered. Of such entries there is one at a time.
local function withdraw(self, entry)
  if entry.taken then return end
  self[self.last] = nil
  self.last = self.last - 1
  self.senders:wake()
end

local function wait_until_taken(self, entry)
  local _ <close> = setmetatable({}, { __close = function() withdraw(self, entry) end })
  while not entry.taken do
    if self.closed then return nil, "send: the channel is closed", "closed" end
    entry.sender:wait()
  end
  return true
end

--- Sends a value; waits while the channel is full.
---@param value any not nil
---@return true? sent
---@return string? message
---@return string? code "closed"
function Channel:send(value)
  if value == nil then error("bad argument 'value' (nil cannot be sent)", 2) end
  while not self.closed and is_full(self) do self.senders:wait() end
  if self.closed then return nil, "send: the channel is closed", "closed" end
  local entry <const> = { value = value, sender = self.capacity == 0 and core.waitlist() or nil }
  self.last = self.last + 1
  self[self.last] = entry
  self.receivers:wake()
  if self.capacity == 0 then return wait_until_taken(self, entry) end
  return true
end

local function take(self)
  if self.first > self.last then return end
  local entry <const> = self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
  self.senders:wake()
  return entry
end

--- Receives the next value; waits while there is none.
---@return any? value
---@return string? message
---@return string? code "closed": and everything that was sent has been received
function Channel:receive()
  while true do
    local entry <const> = take(self)
    if entry then
      entry.taken = true
      if entry.sender then entry.sender:wake() end
      return entry.value
    end
    if self.closed then return nil, "receive: the channel is closed", "closed" end
    self.receivers:wait()
  end
end

--- An iterator over the values until the channel is closed.
---@return fun(): any
function Channel:values()
  return function() return (self:receive()) end
end

--- No more values: senders fail, receivers get what was sent before. Closing twice does nothing.
function Channel:close()
  self.closed = true
  self.senders:wake(math.huge)
  self.receivers:wake(math.huge)
  for i = self.first, self.last do
    if self[i].sender then self[i].sender:wake() end
  end
end

Channel.__close = Channel.close

function Channel:__len()
  return self.last - self.first + 1
end

function Channel:__tostring()
  return string.format("channel: %d of %d%s", #self, self.capacity, self.closed and " (closed)" or "")
end

--- Makes a channel.
---@param capacity integer? default 0
---@return perigee.Channel
return function(capacity)
  capacity = capacity or 0
  if math.type(capacity) ~= "integer" or capacity < 0 then
    error("bad argument 'capacity' (an integer of 0 or more expected)", 2)
  end
  return setmetatable({ capacity = capacity, first = 1, last = 0, closed = false,
    senders = core.waitlist(), receivers = core.waitlist() }, Channel)
end
