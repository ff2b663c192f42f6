--- Who wants which channels and patterns, and what of that is in force on the present connection. Who receives is an
--- inbox, see perigee.bus.inbox.

local core <const> = require "core.task"
local glob <const> = require "perigee.bus.glob"

--- What is subscribed to, for at least one member.
---@class perigee.redis.Topic
---@field kind "channel"|"pattern"
---@field name string
---@field members table<perigee.redis.Member, true>
---@field is_in_force boolean the server has said so, on this connection
---@field is_refused boolean

--- An inbox, and what it waits for.
---@class perigee.redis.Member
---@field inbox perigee.bus.Inbox
---@field topics perigee.redis.Topic[]
---@field missing integer how many of them are not in force
---@field changed perigee.Waitlist is woken when something of this has changed
---@field was_in_force boolean all topics have been
---@field lost_since number? since when the connection is gone, on the loop's clock
---@field matchers (fun(channel: string): boolean)[]? of its patterns, if there are several

---@class perigee.redis.Topics
---@field channel table<string, perigee.redis.Topic>
---@field pattern table<string, perigee.redis.Topic>
---@field members table<perigee.bus.Inbox, perigee.redis.Member>
---@field count integer topics
local Topics <const> = {}
Topics.__index = Topics

local function add(self, member, kind, names, new)
  for _, name in ipairs(names) do
    local topic = self[kind][name]
    if not topic then
      topic = { kind = kind, name = name, members = {}, is_in_force = false, is_refused = false }
      self[kind][name] = topic
      self.count = self.count + 1
      new[#new + 1] = topic
    end
    if not topic.members[member] then
      topic.members[member] = true
      member.topics[#member.topics + 1] = topic
      if not topic.is_in_force then member.missing = member.missing + 1 end
    end
  end
end

local function matchers_of(globs)
  if #globs < 2 then return nil end
  local matchers <const> = {}
  for i, text in ipairs(globs) do matchers[i] = glob.compile(text) end
  return matchers
end

--- An inbox wants what it names.
---@param inbox perigee.bus.Inbox
---@return perigee.redis.Member
---@return perigee.redis.Topic[] new channels that the server is to be asked for
---@return perigee.redis.Topic[] new patterns
function Topics:join(inbox)
  local member <const> = { inbox = inbox, topics = {}, missing = 0, changed = core.waitlist(),
    matchers = matchers_of(inbox.globs) }
  local channels <const>, patterns <const> = {}, {}
  add(self, member, "channel", inbox.topics, channels)
  add(self, member, "pattern", inbox.globs, patterns)
  member.was_in_force = member.missing == 0
  self.members[inbox] = member
  return member, channels, patterns
end

--- An inbox wants nothing any more.
---@param inbox perigee.bus.Inbox
---@return perigee.redis.Topic[] unwanted by everybody; they are gone from here
function Topics:leave(inbox)
  local member <const>, unwanted <const> = self.members[inbox], {}
  if not member then return unwanted end
  self.members[inbox] = nil
  for _, topic in ipairs(member.topics) do
    topic.members[member] = nil
    if not next(topic.members) then
      self[topic.kind][topic.name] = nil
      self.count = self.count - 1
      unwanted[#unwanted + 1] = topic
    end
  end
  member.changed:wake(math.huge)
  return unwanted
end

--- All topics of a kind, by name.
---@param kind "channel"|"pattern"
---@return perigee.redis.Topic[]
function Topics:list(kind)
  local list <const> = {}
  for _, topic in pairs(self[kind]) do list[#list + 1] = topic end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

--- A message that matches several patterns of one inbox comes once for each: it is delivered for the first of them.
local function is_first(member, name, channel)
  for i, matches in ipairs(member.matchers) do
    if matches(channel) then return member.inbox.globs[i] == name end
  end
  return true
end

--- Gives everybody who wants it what was published.
---@param topic perigee.redis.Topic? nil: it was given up, and the server does not know yet
---@param text string
---@param channel string
---@return boolean is_crowded somebody would take some of what waits, if it had its turn
function Topics.deliver(topic, text, channel)
  if not topic then return false end
  local is_crowded = false
  for member in pairs(topic.members) do -- of which some may leave: an inbox that is full may close
    if topic.kind == "channel" or not member.matchers or is_first(member, topic.name, channel) then
      is_crowded = member.inbox:deliver(text, channel) or is_crowded
    end
  end
  return is_crowded
end

--- All that a member wants is in force: for the first time, or again.
local function member_in_force(member)
  local since <const> = member.lost_since
  member.lost_since, member.was_in_force = nil, true
  if since then member.inbox:note_lost { reason = "disconnected", seconds = core.now() - since } end
  member.changed:wake(math.huge)
end

--- The server has confirmed a topic.
---@param topic perigee.redis.Topic
function Topics.confirm(topic)
  if topic.is_in_force then return end
  topic.is_in_force = true
  for member in pairs(topic.members) do
    member.missing = member.missing - 1
    if member.missing == 0 then member_in_force(member) end
  end
end

--- The connection is gone: nothing is in force, and nothing has come since `time`.
---@param time number on the loop's clock
function Topics:interrupt(time)
  for _, kind in ipairs { self.channel, self.pattern } do
    for _, topic in pairs(kind) do topic.is_in_force = false end
  end
  for _, member in pairs(self.members) do
    member.missing = #member.topics
    if member.was_in_force then member.lost_since = member.lost_since or time end
  end
end

---@return perigee.redis.Topics
return function()
  return setmetatable({ channel = {}, pattern = {}, members = {}, count = 0 }, Topics)
end
