--- What a script holds of what it has subscribed to. To be used as it is in a for:
---   for text, topic, lost in bus:subscribe("news", "weather") do ... end

---@class perigee.Subscription
---@field topics string[]
---@field globs string[]
---@field is_open boolean
---@field waiting integer messages that have come and were not received
---@field package inbox perigee.bus.Inbox
---@field package bus { hub: perigee.bus.Hub } the bus or client, which lasts as long as its subscriptions
local Subscription <const> = { __name = "perigee.subscription" }

function Subscription:__index(name)
  if name == "waiting" then return self.inbox.count end
  if name == "is_open" or name == "topics" or name == "globs" then return self.inbox[name] end
  return Subscription[name]
end

--- The next message; waits while there is none. Several tasks may receive: each message goes to one of them.
---@param seconds number? to wait at most
---@return string? text
---@return string topic or message
---@return perigee.bus.Lost|string|nil lost what was lost before this message; or code: "timeout"; "closed"; "limit":
--- the subscriber was too slow, and the policy of the bus is "close"
function Subscription:receive(seconds)
  if seconds ~= nil and not (type(seconds) == "number" and seconds >= 0) then
    error("bad argument 'seconds' (seconds of 0 or more expected)", 2)
  end
  return self.inbox:receive(seconds)
end

--- In a for: the next message, or nil when the subscription is closed.
function Subscription:__call()
  return self.inbox:receive()
end

--- Has it end without a loss: what was published before, wherever, is still received; then receive says "closed", and
--- a for ends. Some of what is published meanwhile may come, too. Does not wait. When the way to it breaks, or nothing
--- comes for some seconds (of Redis: up to twice the option timeout), it ends as well; on_lost is told, and receive
--- says so at the end. Finishing twice, or what is closed, does nothing.
function Subscription:finish()
  local inbox <const> = self.inbox
  if inbox.is_finishing or not inbox.is_open then return end
  inbox.is_finishing = true
  self.bus.hub:finish(inbox)
end

--- No more messages come, and those that wait are thrown away. Closing twice does nothing.
function Subscription:close()
  self.inbox:close("receive: the subscription is closed", "closed", true)
end

Subscription.__close = Subscription.close
Subscription.__gc = Subscription.close

function Subscription:__tostring()
  local names <const> = {}
  for _, list in ipairs { self.topics, self.globs } do
    for _, name in ipairs(list) do names[#names + 1] = name end
  end
  return ("subscription: %s%s"):format(table.concat(names, " "), self.is_open and "" or " (closed)")
end

--- Makes the subscription of an inbox.
---@param bus { hub: perigee.bus.Hub } a bus, or a client of Redis
---@param inbox perigee.bus.Inbox
---@return perigee.Subscription
return function(bus, inbox)
  return setmetatable({ bus = bus, inbox = inbox }, Subscription)
end
