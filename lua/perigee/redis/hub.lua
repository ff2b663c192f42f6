--- The connection of a client that receives what is published, for all its subscriptions. After a break they are made
--- again, and each is told how long nothing could come.

local core <const> = require "core.task"
local log <const> = require "perigee.log"
local new_keeper <const> = require "perigee.redis.keeper"
local new_topics <const> = require "perigee.redis.topics"
local resp <const> = require "perigee.codec.resp"
local session <const> = require "perigee.redis.session"

local AT_ONCE <const> = 256 -- names in one command

---@class perigee.redis.Hub
---@field topics perigee.redis.Topics
---@field keeper perigee.redis.Keeper
---@field opened table? the connection that is served
---@field first integer what was asked and is not answered is at [first] to [last]
---@field last integer
---@field heard number when something came, on the loop's clock
---@field interrupted number? since when the subscriptions are not in force, on the loop's clock
local Hub <const> = {}
Hub.__index = Hub

local VERBS <const> = { channel = "subscribe", pattern = "psubscribe" }
local ENDING_VERBS <const> = { channel = "unsubscribe", pattern = "punsubscribe" }

--- Sends a command, and notes that it will be answered: once for each topic.
local function ask(self, verb, topics)
  local names <const> = {}
  for i, topic in ipairs(topics) do names[i] = topic.name end
  self.last = self.last + 1
  self[self.last] = { verb = verb, topics = topics, answered = 0, sent = core.now() }
  self.opened.conn:write(resp.command(verb:upper(), table.unpack(names)))
end

local function answered(self)
  local asked <const> = self[self.first]
  if not asked then return nil end
  self[self.first] = nil
  self.first = self.first + 1
  return asked
end

--- Asks for topics of one kind.
local function subscribe(self, topics)
  for from = 1, #topics, AT_ONCE do
    local part <const> = table.move(topics, from, math.min(from + AT_ONCE - 1, #topics), 1, {})
    ask(self, VERBS[part[1].kind], part)
  end
end

--- An inbox wants nothing more; what nobody else wants is given up.
---@param inbox perigee.bus.Inbox
function Hub:unsubscribe(inbox)
  for _, topic in ipairs(self.topics:leave(inbox)) do
    if self.opened and not topic.is_refused then ask(self, ENDING_VERBS[topic.kind], { topic }) end
  end
end

--- Has an inbox end when all has come that was published before: the server's next answer comes after it.
---@param inbox perigee.bus.Inbox
function Hub:finish(inbox)
  if not self.opened then return inbox:finish { reason = "disconnected" } end
  ask(self, "ping", {})
  self[self.last].finishing = inbox
end

local function finish(asked, lost)
  if asked.finishing then asked.finishing:finish(lost) end
end

local function end_member(self, member, message, code)
  member.failure = { message = message, code = code }
  self:unsubscribe(member.inbox)
  member.inbox:close(message, code)
end

local function end_members(self, members, message, code)
  local list <const> = {}
  for member in pairs(members) do list[#list + 1] = member end
  for _, member in ipairs(list) do end_member(self, member, message, code) end
end

-- What the server says: each of these returns true, or nil, message, code.

local function unexpected(self)
  return nil, ("%s sends a reply that nothing asked for"):format(self.settings.shown), "protocol"
end

local function refuse(self, topic, failure)
  topic.is_refused = true
  local message <const> = ("subscribe to '%s' on %s: %s"):format(topic.name, self.settings.shown, failure.message)
  end_members(self, topic.members, message, (session.code_of(failure)))
end

--- Of several names the server may have refused one only: they are asked for singly.
local function take_error(self, failure)
  local asked <const> = answered(self)
  if not asked then return nil, ("%s sends an error: %s"):format(self.settings.shown, failure.message), "protocol" end
  finish(asked) -- also where the user may not PING
  if asked.verb ~= "subscribe" and asked.verb ~= "psubscribe" then return true end
  if #asked.topics == 1 then
    refuse(self, asked.topics[1], failure)
    return true
  end
  for _, topic in ipairs(asked.topics) do
    if next(topic.members) then ask(self, asked.verb, { topic }) end
  end
  return true
end

local function take_pong(self)
  local asked <const> = answered(self)
  if not asked or asked.verb ~= "ping" then return unexpected(self) end
  finish(asked)
  if asked.resumed then
    log.info("redis: subscriptions are in force again", { peer = self.settings.shown, seconds = asked.resumed })
  end
  return true
end

local function take_confirmation(self, verb, name)
  local asked <const> = self[self.first]
  local topic <const> = asked and asked.verb == verb and asked.topics[asked.answered + 1]
  if not topic or topic.name ~= name then return unexpected(self) end
  asked.answered = asked.answered + 1
  if asked.answered == #asked.topics then answered(self) end
  if VERBS[topic.kind] == verb then self.topics.confirm(topic) end
  return true
end

local function deliver(self, topic, text, channel)
  if type(text) ~= "string" or type(channel) ~= "string" then return unexpected(self) end
  if self.topics.deliver(topic, text, channel) then core.sleep(0) end
  return true
end

local TAKERS <const> = {
  message = function(self, reply) return deliver(self, self.topics.channel[reply[2]], reply[3], reply[2]) end,
  pmessage = function(self, reply) return deliver(self, self.topics.pattern[reply[2]], reply[4], reply[3]) end,
  pong = take_pong,
}
for _, verb in ipairs { "subscribe", "psubscribe", "unsubscribe", "punsubscribe" } do
  TAKERS[verb] = function(self, reply) return take_confirmation(self, verb, reply[2]) end
end

local function take(self, reply, note)
  self.heard = core.now()
  if type(reply) ~= "table" then
    if reply == "PONG" then return take_pong(self) end
    return unexpected(self)
  end
  if session.is_error(reply) then return take_error(self, reply) end
  local taker <const> = TAKERS[reply[1]]
  if taker and reply[2] ~= nil then return taker(self, reply) end
  if note == "push" then return true end -- of a kind that is of no concern here
  return unexpected(self)
end

--- Nothing has come for a while. A server that still owes an answer is gone; else it is asked for one.
local function ask_for_life(self)
  local asked <const> = self[self.first]
  if asked and core.now() - asked.sent >= self.settings.timeout then
    return nil, ("no answer from %s within %g s"):format(self.settings.shown, self.settings.timeout), "timeout"
  end
  if not asked then ask(self, "ping", {}) end
  return true
end

--- Until something is wrong: message, code.
local function read_pushes(self, reader)
  while true do
    local reply <const>, note <const>, code <const> = reader:next()
    local ok, message, short = nil, note, code
    if reply ~= nil or not note then ok, message, short = take(self, reply, note)
    elseif code == "timeout" then ok, message, short = ask_for_life(self) end
    if not ok then return message, short end
  end
end

-- The connection's life.

--- Nothing of what was asked will be answered.
local function give_up_asked(self)
  self.opened = nil
  local asked = answered(self)
  while asked do
    finish(asked, { reason = "disconnected" })
    asked = answered(self)
  end
end

local function interrupt(self, message, code)
  give_up_asked(self)
  self.topics:interrupt(code == "timeout" and self.heard or core.now())
  if self.topics.count > 0 and not self.keeper.is_closed then
    log.warn("redis: subscriptions are interrupted", { peer = self.settings.shown, reason = message })
    self.interrupted = self.interrupted or core.now()
  end
end

--- Its answer comes after those to all subscriptions.
local function ask_whether_resumed(self)
  if not self.interrupted then return end
  ask(self, "ping", {})
  self[self.last].resumed = core.now() - self.interrupted
  self.interrupted = nil
end

function Hub:serve(opened)
  local message, code = "the client is closed", "closed"
  local _ <close> = setmetatable({}, { __close = function() interrupt(self, message, code) end })
  self.opened, self.heard = opened, core.now()
  subscribe(self, self.topics:list "channel")
  subscribe(self, self.topics:list "pattern")
  ask_whether_resumed(self)
  message, code = read_pushes(self, opened.reader)
  return message, code
end

function Hub:is_needed()
  return self.topics.count > 0 or self.keeper.waiting > 0
end

--- Nothing but somebody's doing will help: the subscriptions end with the reason.
function Hub:gave_up(message, code)
  local members <const> = {}
  for _, member in pairs(self.topics.members) do members[member] = true end
  end_members(self, members, message, code)
end

local function wait_until_in_force(self, member)
  local deadline <const> = core.now() + self.settings.timeout
  while not member.was_in_force do
    local left <const>, failure <const> = deadline - core.now(), member.failure
    if failure then return nil, failure.message, failure.code end
    if self.topics.members[member.inbox] ~= member then return nil, "subscribe: it was given up", "closed" end
    if left <= 0 then
      local settings <const> = self.settings
      return nil, ("subscribe on %s: no answer within %g s"):format(settings.shown, settings.timeout), "timeout"
    end
    member.changed:wait(left)
  end
  return true
end

--- Has an inbox get what is published on its topics and globs, and waits until that is in force. Whoever made the inbox
--- sees to it that unsubscribe is called when it is closed.
---@param inbox perigee.bus.Inbox
---@return true? in_force
---@return string? message
---@return string? code
function Hub:subscribe(inbox)
  local opened <const>, why <const>, short <const> = self.keeper:await()
  if not opened then return nil, why, short end
  local member <const>, channels <const>, patterns <const> = self.topics:join(inbox)
  if self.opened then -- else it will be done for all
    subscribe(self, channels)
    subscribe(self, patterns)
  end
  return wait_until_in_force(self, member)
end

--- For good: all subscriptions end with "closed".
function Hub:close()
  self.keeper:close()
  self:gave_up("the client is closed", "closed")
end

---@param settings perigee.redis.Settings
---@param backoff perigee.redis.Backoff
---@return perigee.redis.Hub
return function(settings, backoff)
  local self <const> = setmetatable({ settings = settings, topics = new_topics(), first = 1, last = 0, heard = 0 }, Hub)
  self.keeper = new_keeper(settings, backoff, self)
  return self
end
