--- Topics in this process: what is published under a name goes to everybody who has subscribed to it, or to a glob that
--- matches it. A message is encoded once for each form that subscribers take, and they share it: see perigee.fanout.
---   local topics = require("perigee.topics").new()
---   topics:subscribe("news", topics.text, socket)
---   topics:publish("news", "hello")

local fanout <const> = require "perigee.fanout"
local forms <const> = require "perigee.topics.forms"
local globs <const> = require "perigee.bus.glob"
local log <const> = require "perigee.log"
local task <const> = require "perigee.task"

local LONGEST <const> = 1024 -- bytes of a topic or a glob
local REMEMBERED <const> = 8 << 20 -- bytes that may be taken to remember which globs match a topic
local SWEPT <const> = 1000 -- topics that may be left without subscribers before they are looked for

---@alias perigee.topics.Rooms table<perigee.topics.Form, perigee.Fanout>

---@class perigee.Topics
---@field limit integer bytes that may wait for a subscriber; one that is slower is closed
---@field names_limit integer topics and globs that may have subscribers
---@field package rooms table<string, perigee.topics.Rooms> by topic
---@field package globs table<string, { matches: fun(topic: string): boolean, rooms: perigee.topics.Rooms }>
---@field package matching table<string, string[]> by topic, the globs that match
---@field package remembered integer bytes that those take, about
---@field package count integer topics and globs, with those that nobody has left properly
---@field package kept integer what the last sweep left
---@field package swept number when that was, on the loop's clock
local Topics <const> = { __name = "perigee.topics" }
Topics.__index = Topics

local M <const> = { message = forms.message, event = forms.event }

--- Names are compared byte by byte, and each is kept.
local function check_length(what, name)
  if #name <= LONGEST then return true end
  return nil, ("%s: a topic of %d bytes: it may have %d at most"):format(what, #name, LONGEST), "limit"
end

-- Rooms.

local function members_of(rooms)
  local count = 0
  for _, room in next, rooms do count = count + room.count end
  return count
end

local function is_empty(rooms)
  for _, room in next, rooms do
    if room.count > 0 then return false end
  end
  return true
end

local function forget_matches(self)
  self.matching, self.remembered = {}, 0
end

local function drop_topic(self, topic)
  self.rooms[topic] = nil
  self.count = self.count - 1
end

local function drop_glob(self, glob)
  self.globs[glob] = nil
  self.count = self.count - 1
  forget_matches(self)
end

--- Connections that end leave their rooms by themselves: empty ones are looked for when there may be many, or when
--- there is no space left, but then once a second at most.
local function is_worth_a_sweep(self)
  if self.count >= self.names_limit then return task.now() >= self.swept + 1 end
  return self.count >= 2 * self.kept + SWEPT
end

local function sweep(self)
  if not is_worth_a_sweep(self) then return end
  for topic, rooms in pairs(self.rooms) do
    if is_empty(rooms) then drop_topic(self, topic) end
  end
  for glob, entry in pairs(self.globs) do
    if is_empty(entry.rooms) then drop_glob(self, glob) end
  end
  self.kept, self.swept = self.count, task.now()
end

local function make_space(self, name)
  local ok <const>, message <const>, code <const> = check_length("subscribe", name)
  if not ok then return nil, message, code end
  sweep(self)
  if self.count >= self.names_limit then
    return nil, ("subscribe: there are %d topics already"):format(self.count), "limit"
  end
  self.count = self.count + 1
  return true
end

local function rooms_of_topic(self, topic)
  local rooms = self.rooms[topic]
  if rooms then return rooms end
  local ok <const>, message <const>, code <const> = make_space(self, topic)
  if not ok then return nil, message, code end
  rooms = {}
  self.rooms[topic] = rooms
  return rooms
end

local function rooms_of_glob(self, glob)
  if self.globs[glob] then return self.globs[glob].rooms end
  local ok <const>, message <const>, code <const> = make_space(self, glob)
  if not ok then return nil, message, code end
  self.globs[glob] = { matches = globs.compile(glob), rooms = {} }
  forget_matches(self)
  return self.globs[glob].rooms
end

local function room_of(self, form, rooms, message, code)
  if not rooms then return nil, message, code end
  if not rooms[form] then rooms[form] = fanout.new { limit = self.limit } end
  return rooms[form]
end

local function remove(rooms, form, member)
  local room <const> = rooms[form]
  if not room then return end
  room:remove(member)
  if room.count == 0 then rooms[form] = nil end
end

-- Subscribing.

--- The fan-out of those who take a topic's messages in a form, for http.events.
---@param topic string
---@param form perigee.topics.Form
---@return perigee.Fanout?
---@return string? message
---@return string? code "limit"
function Topics:room(topic, form)
  return room_of(self, form, rooms_of_topic(self, topic))
end

--- Subscribes a connection, which gets the form's bytes, or a WebSocket. One that is subscribed so already stays so.
---@param topic string
---@param form perigee.topics.Form
---@param member perigee.Connection|perigee.WebSocket
---@return true?
---@return string? message
---@return string? code "limit"
function Topics:subscribe(topic, form, member)
  local room <const>, message <const>, code <const> = self:room(topic, form)
  if not room then return nil, message, code end
  room:add(member)
  return true
end

---@param topic string
---@param form perigee.topics.Form
---@param member perigee.Connection|perigee.WebSocket
function Topics:unsubscribe(topic, form, member)
  local rooms <const> = self.rooms[topic]
  if not rooms then return end
  remove(rooms, form, member)
  if next(rooms) == nil then drop_topic(self, topic) end
end

--- Subscribes to every topic that a glob matches: `*` any bytes, `?` one byte, [abc] [a-z] [^abc] one of them, `\`
--- takes the next byte as it is.
---@param glob string
---@param form perigee.topics.Form
---@param member perigee.Connection|perigee.WebSocket
---@return true?
---@return string? message
---@return string? code "limit"
function Topics:match(glob, form, member)
  local room <const>, message <const>, code <const> = room_of(self, form, rooms_of_glob(self, glob))
  if not room then return nil, message, code end
  room:add(member)
  return true
end

---@param glob string
---@param form perigee.topics.Form
---@param member perigee.Connection|perigee.WebSocket
function Topics:unmatch(glob, form, member)
  local entry <const> = self.globs[glob]
  if not entry then return end
  remove(entry.rooms, form, member)
  if next(entry.rooms) == nil then drop_glob(self, glob) end
end

-- Publishing.

local function matching(self, topic)
  local found = self.matching[topic]
  if found then return found end
  if self.remembered >= REMEMBERED then forget_matches(self) end
  found = {}
  for glob, entry in next, self.globs do
    if entry.matches(topic) then found[#found + 1] = glob end
  end
  self.matching[topic], self.remembered = found, self.remembered + 100 + #topic + 16 * #found
  return found
end

local function send(rooms, topic, text, glob)
  local sent = 0
  for form, room in next, rooms do
    local closed <const> = room.closed
    sent = sent + room:write(form(topic, text, glob))
    if room.closed > closed then
      log.refusal("subscribers that were too slow are closed", { topic = topic, count = room.closed - closed })
    end
  end
  return sent
end

--- Sends a text to all subscribers. A subscriber to the topic and to globs that match gets it as often.
---@param topic string
---@param text string any bytes
---@return integer? count how often it was sent
---@return string? message
---@return string? code "limit"
function Topics:publish(topic, text)
  local ok <const>, message <const>, code <const> = check_length("publish", topic)
  if not ok then return nil, message, code end
  local rooms <const> = self.rooms[topic]
  local sent = rooms and send(rooms, topic, text) or 0
  if next(self.globs) == nil then return sent end
  for _, glob in ipairs(matching(self, topic)) do
    sent = sent + send(self.globs[glob].rooms, topic, text, glob)
  end
  return sent
end

-- Asking.

--- How many have subscribed to a topic, without those of globs.
---@param topic string
---@return integer
function Topics:subscribers(topic)
  local rooms <const> = self.rooms[topic]
  return rooms and members_of(rooms) or 0
end

--- The topics that have subscribers, but for those of globs alone.
---@param glob string? those that it matches, default all
---@return string[]? names in no order
---@return string? message
---@return string? code "limit"
function Topics:names(glob)
  local ok <const>, message <const>, code <const> = check_length("list", glob or "")
  if not ok then return nil, message, code end
  local matches <const>, list <const> = glob and globs.compile(glob), {}
  for topic, rooms in pairs(self.rooms) do
    if (not matches or matches(topic)) and not is_empty(rooms) then list[#list + 1] = topic end
  end
  return list
end

--- How many globs have subscribers.
---@return integer
function Topics:glob_count()
  local count = 0
  for _, entry in pairs(self.globs) do
    if not is_empty(entry.rooms) then count = count + 1 end
  end
  return count
end

function Topics:__tostring()
  return ("topics: %d with subscribers"):format(#self:names())
end

--- Makes topics without subscribers.
---@param options { limit: integer?, names_limit: integer? }? limit: bytes that may wait for a subscriber before it is
--- closed as too slow, default 8 MiB; names_limit: topics and globs that may have subscribers, default 100,000
---@return perigee.Topics
function M.new(options)
  options = options or {}
  return setmetatable({
    limit = options.limit or 8 << 20, names_limit = options.names_limit or 100000,
    rooms = {}, globs = {}, matching = {}, remembered = 0, count = 0, kept = 0, swept = -math.huge,
  }, Topics)
end

return M
