--- The class of every bus: it checks what scripts give, and leaves the rest to a hub, of which there is one kind for
--- each scheme of URLs.

local arguments <const> = require "perigee.backend.arguments"
local core <const> = require "core.task"
local inboxes <const> = require "perigee.bus.inbox"
local service <const> = require "perigee.service"
local subscription <const> = require "perigee.bus.subscription"

local check_string <const>, describe <const> = arguments.check_string, arguments.describe

local TOPIC_LIMIT <const> = 65535                -- bytes
local MESSAGE_LIMIT <const> = 64 * 1024 * 1024   -- bytes
local OPTIONS <const> = { limit = "a positive integer", policy = '"drop" or "close"', on_lost = "a function" }
local CLOSED <const> = "the bus is closed"

--- What a bus leads to. Its functions are called in tasks, and may wait; those that close may not.
---@class perigee.bus.Hub
---@field publish fun(self, topic: string, text: string): true?, string?, string?
---@field subscribe fun(self, inbox: perigee.bus.Inbox): true?, string?, string? messages on the inbox's topics and
--- globs are delivered to it when it returns; each once, however many of its globs match
---@field unsubscribe fun(self, inbox: perigee.bus.Inbox) also of one whose subscribe waits, was cancelled or has failed
---@field finish fun(self, inbox: perigee.bus.Inbox) calls inbox:finish() when all has been delivered that was published
--- before, or cannot be; does not wait
---@field close fun(self) one user less
---@field name string for messages

---@class perigee.Bus
---@field is_open boolean
---@field hub perigee.bus.Hub for its subscriptions
---@field package inboxes table<perigee.bus.Inbox, true>
---@field package options perigee.bus.InboxOptions
local Bus <const> = { __name = "perigee.bus" }
Bus.__index = Bus

--- Publishes a message: everybody who is subscribed to the topic now gets it, here and in the other processes. It does
--- not wait for them; those that are too slow lose messages, and are told so.
---@param topic string at most 65535 bytes
---@param text string at most 64 MiB
---@return true? published
---@return string? message
---@return string? code "limit": it is too large; "closed"
function Bus:publish(topic, text)
  check_string("topic", topic)
  check_string("text", text)
  if not self.is_open then return nil, ("publish: %s"):format(CLOSED), "closed" end
  if #text > MESSAGE_LIMIT then
    return nil, ("publish: a message of %d bytes, where %d are the limit"):format(#text, MESSAGE_LIMIT), "limit"
  end
  if #topic > TOPIC_LIMIT then
    return nil, ("publish: a topic of %d bytes, where %d are the limit"):format(#topic, TOPIC_LIMIT), "limit"
  end
  return self.hub:publish(topic, text)
end

local function check_names(what, ...)
  local names <const>, seen <const> = {}, {}
  if select("#", ...) == 0 then error(("bad argument '%s' (a string expected, got nothing)"):format(what), 3) end
  for index = 1, select("#", ...) do
    local name <const> = (select(index, ...))
    if type(name) ~= "string" then
      error(("bad argument '%s' (strings expected, #%d is %s)"):format(what, index, describe(name)), 3)
    end
    if not seen[name] then names[#names + 1] = name end
    seen[name] = true
  end
  return names
end

local function too_long(names)
  for _, name in ipairs(names) do
    if #name > TOPIC_LIMIT then
      return nil, ("subscribe: a topic of %d bytes, where %d are the limit"):format(#name, TOPIC_LIMIT), "limit"
    end
  end
end

local function subscribe_hub(self, inbox)
  local _ <close> = setmetatable({}, { __close = function(_, failure)
    if failure then inbox:close("subscribe: it was given up", "cancelled", true) end
  end })
  return self.hub:subscribe(inbox)
end

local function subscribe(self, topics, globs)
  if not self.is_open then return nil, ("subscribe: %s"):format(CLOSED), "closed" end
  local _ <const>, long <const>, limit <const> = too_long(topics)
  if long then return nil, long, limit end
  local _ <const>, too <const>, word <const> = too_long(globs)
  if too then return nil, too, word end
  local hub <const>, set <const> = self.hub, self.inboxes -- not the bus, which may be collected
  local inbox <const> = inboxes.new(self.options, topics, globs, function(inbox)
    set[inbox] = nil
    hub:unsubscribe(inbox)
  end)
  set[inbox] = true
  local done <const>, message <const>, code <const> = subscribe_hub(self, inbox)
  if not done then
    inbox:close(message, code, true)
    return nil, message, code
  end
  local made <const> = subscription(self, inbox)
  return made, nil, nil, made
end

--- Subscribes to topics. It is in force when this returns, on all processes that share the bus.
---@param topic string
---@param ... string more topics
---@return perigee.Subscription? subscription
---@return string? message
---@return string? code
---@return perigee.Subscription? closing so that a for closes it
function Bus:subscribe(topic, ...)
  return subscribe(self, check_names("topic", topic, ...), {})
end

--- Subscribes to all topics that match a glob, as Redis has them: `*` any bytes, `?` one byte, [abc] [a-z] [^abc] one
--- of them, `\` takes the next byte as it is.
---@param glob string
---@param ... string more globs; a message that several match comes once
---@return perigee.Subscription? subscription
---@return string? message
---@return string? code
---@return perigee.Subscription? closing so that a for closes it
function Bus:match(glob, ...)
  return subscribe(self, {}, check_names("glob", glob, ...))
end

--- Ends all its subscriptions. Closing twice does nothing.
function Bus:close()
  if not self.is_open then return end
  self.is_open = false
  local open <const> = {}
  for inbox in pairs(self.inboxes) do open[#open + 1] = inbox end
  for _, inbox in ipairs(open) do inbox:close("receive: " .. CLOSED, "closed", true) end
  self.hub:close()
end

Bus.__close = Bus.close
Bus.__gc = Bus.close

function Bus:__tostring()
  return ("bus: %s%s"):format(self.hub.name, self.is_open and "" or " (closed)")
end

local M <const> = {}

local checks <const> = {
  limit = function(value) return math.type(value) == "integer" and value > 0 end,
  policy = function(value) return value == "drop" or value == "close" end,
  on_lost = function(value) return type(value) == "function" end,
}

--- Checks the options that every bus has, and raises with the level of the caller's caller. Returns the others.
---@param options table?
---@param level integer as of error, from the caller
---@return table rest
function M.check_options(options, level)
  if options == nil then return {} end
  if type(options) ~= "table" then error("bad argument 'options' (a table expected)", level + 1) end
  local rest <const> = {}
  for name, value in pairs(options) do
    local check <const> = checks[name]
    if not check then
      rest[name] = value
    elseif not check(value) then
      error(("option '%s' must be %s, not %s"):format(name, OPTIONS[name], tostring(value)), level + 1)
    end
  end
  return rest
end

--- Makes a bus, whose options have been checked. It is closed when the version of the service that has opened it ends.
---@param hub perigee.bus.Hub which the bus closes
---@param options table?
---@return perigee.Bus
function M.new(hub, options)
  local current <const>, given <const> = service.current(), options or {}
  local bus <const> = setmetatable({ hub = hub, inboxes = {}, is_open = true, options = { limit = given.limit,
    policy = given.policy, on_lost = given.on_lost, scope = current and current.scope or core.scope() } }, Bus)
  service.close_at_end(bus)
  return bus
end

return M
