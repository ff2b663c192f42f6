--- Where a bus puts the messages for one subscriber: at most so many, in order, each with what was lost before it. The
--- bus holds inboxes; scripts hold subscriptions, see perigee.bus.subscription.

local core <const> = require "core.task"

local BYTES <const> = 64 * 1024 * 1024 -- of messages that may wait
local BURST <const> = 100000           -- messages that may wait for a receiver that was woken, until it has its turn
local STRIDE <const> = 3               -- entries of one message: its text, its topic, and what was lost before it

--- A gap in the messages.
---@class perigee.bus.Lost
---@field reason "slow"|"disconnected" the subscriber or its process was too slow; or the way to it was broken
---@field count integer? messages, where they could be counted
---@field seconds number? that it was broken

---@class perigee.bus.Inbox
---@field topics string[] that it is subscribed to
---@field globs string[]
---@field count integer messages that wait
---@field is_open boolean
---@field is_finishing boolean it is to end when all that was published before has come
---@field limit integer messages that may wait
---@field policy "drop"|"close" what becomes of one message more: the oldest is dropped, or the subscription is closed
---@field on_lost (fun(lost: perigee.bus.Lost))? is told of each gap as soon as it is known
---@field scope perigee.Scope for what on_lost does
---@field package untold perigee.bus.Lost? what it is to be told of
---@field package first integer
---@field package last integer
---@field package bytes integer of the texts
---@field package is_woken boolean a receiver was woken, and has had no turn since
---@field package gap perigee.bus.Lost? after all messages that are here
---@field package failure { message: string, code: string }? why it is closed
---@field package receivers perigee.Waitlist
local Inbox <const> = { __name = "perigee.bus.inbox" }
Inbox.__index = Inbox

--- Two gaps one after the other are one. A way that was broken explains more than slowness.
local function join(first, second)
  if not first or not second then return first or second end
  local is_broken <const> = first.reason == "disconnected" or second.reason == "disconnected"
  local function sum(name)
    return first[name] and second[name] and first[name] + second[name] or first[name] or second[name]
  end
  return { reason = is_broken and "disconnected" or "slow", count = sum "count", seconds = sum "seconds" }
end

--- Tells the script, at its task's turn: of all that was lost until then.
local function tell(self, lost)
  if not self.on_lost then return end
  local is_under_way <const> = self.untold ~= nil
  self.untold = join(self.untold, lost)
  if is_under_way then return end
  self.scope:spawn(function()
    local told <const> = self.untold
    self.untold = nil
    self.on_lost(told)
  end)
end

--- Messages were lost that would have come after all that are here.
---@param lost perigee.bus.Lost
function Inbox:note_lost(lost)
  if not self.is_open then return end
  self.gap = join(self.gap, lost)
  tell(self, lost)
end

local function take(self)
  local at <const> = self.first
  local text <const>, topic <const>, lost <const> = self[at], self[at + 1], self[at + 2]
  self[at], self[at + 1], self[at + 2] = nil, nil, nil
  self.count, self.bytes = self.count - 1, self.bytes - #text
  if self.count > 0 then self.first = at + STRIDE else self.first, self.last = 1, 0 end
  return text, topic, lost or nil
end

local function drop_oldest(self)
  local _ <const>, _ <const>, before <const> = take(self)
  local dropped <const> = { reason = "slow", count = 1 }
  local lost <const> = join(before, dropped)
  if self.count > 0 then self[self.first + 2] = join(lost, self[self.first + 2] or nil)
  else self.gap = join(lost, self.gap) end
  tell(self, dropped)
end

--- There are as many as there may be: is there to be one more?
local function make_room(self, size)
  local limit <const> = self.is_woken and math.max(BURST, self.limit) or self.limit
  if self.policy == "close" and self.count >= limit then
    self:close("receive: the subscriber was too slow: more than " .. self.limit .. " messages waited for it", "limit")
    return false
  end
  while self.count >= limit or self.count > 0 and self.bytes + size > BYTES do drop_oldest(self) end
  return true
end

--- A message has come.
---@param text string
---@param topic string
---@return boolean crowded much waits here, and a receiver would take it if it had its turn
function Inbox:deliver(text, topic)
  if not self.is_open then return false end
  local crowded <const> = self.count >= self.limit
  if (crowded or self.bytes + #text > BYTES) and not make_room(self, #text) then return false end
  local at <const> = self.last
  self[at + 1], self[at + 2], self[at + 3] = text, topic, self.gap or false
  self.last, self.count, self.bytes, self.gap = at + STRIDE, self.count + 1, self.bytes + #text, nil
  if self.receivers:wake() > 0 then self.is_woken = true end
  return crowded and self.is_woken
end

--- The next message; waits while there is none.
---@param seconds number? to wait at most
---@return string? text
---@return string topic or message
---@return perigee.bus.Lost|string|nil lost what was lost before it; or code
function Inbox:receive(seconds)
  self.is_woken = false
  local deadline
  while self.count == 0 do
    local failure <const> = self.failure
    if failure then return nil, failure.message, failure.code end
    deadline = deadline or core.now() + (seconds or math.huge)
    if not self.receivers:wait(math.max(deadline - core.now(), 0)) then
      return nil, "receive: no message came in time", "timeout"
    end
    self.is_woken = false
  end
  return take(self)
end

--- Takes no more. What has come can still be received, unless it is thrown away. Closing twice does nothing.
---@param message string why
---@param code string
---@param throws_away boolean?
function Inbox:close(message, code, throws_away)
  if throws_away then
    while self.count > 0 do take(self) end
  end
  if not self.is_open then return end
  self.is_open = false
  self.failure = { message = message, code = code }
  self.receivers:wake(math.huge)
  if self.on_closed then self:on_closed() end
end

--- It was to end, and all that was published before has come; but for what is known to be lost.
---@param lost perigee.bus.Lost?
function Inbox:finish(lost)
  if lost then self:note_lost(lost) end
  local rest <const> = self.gap and ", and what came last is lost" or ""
  self:close("receive: the subscription is closed" .. rest, "closed")
end

local M <const> = {}

---@class perigee.bus.InboxOptions
---@field limit integer? messages that may wait, default 1000
---@field policy "drop"|"close"|nil default "drop"
---@field on_lost (fun(lost: perigee.bus.Lost))?
---@field scope perigee.Scope

---@param options perigee.bus.InboxOptions
---@param topics string[]
---@param globs string[]
---@param on_closed fun(inbox: perigee.bus.Inbox)? is called once
---@return perigee.bus.Inbox
function M.new(options, topics, globs, on_closed)
  return setmetatable({ limit = options.limit or 1000, policy = options.policy or "drop", on_lost = options.on_lost,
    scope = options.scope, topics = topics, globs = globs, on_closed = on_closed, count = 0, first = 1, last = 0,
    bytes = 0, is_open = true, is_finishing = false, is_woken = false, receivers = core.waitlist() }, Inbox)
end

return M
