--- Publish and subscribe: PUB and XPUB send to those who want it, SUB receives. A message's first part is its topic;
--- who subscribes to a prefix gets all topics that begin with it.

local sockets <const> = require "perigee.zeromq.socket"
local channel <const> = require "perigee.task.channel"
local core <const> = require "core.task"
local log <const> = require "perigee.log"
local traceback <const> = require "perigee.service.traceback"
local wire <const> = require "perigee.zeromq.wire"

local QUEUED <const> = 1024 * 1024     -- default, bytes that may be on their way to a subscriber
local TOPICS <const> = 4 * 1024 * 1024 -- default, bytes of the topics that a subscriber may want
local SAID <const> = 64 * 1024         -- default, bytes of what a subscriber says
local ENTRY <const> = 128              -- bytes of a subscription besides its topic
local WAITING <const> = 1000           -- default, messages that may wait for a receiver
local ON <const>, OFF <const> = "\1", "\0"

local M <const> = {}

-- PUB.

---@class perigee.zeromq.Pub: perigee.zeromq.Socket
---@field dropped integer messages that slow subscribers have missed
---@field package wants table<string, table<perigee.zeromq.Peer, integer>> how often each has subscribed, by prefixes
---@field package sizes table<integer, integer> how many prefixes there are of each length
---@field package queued integer
---@field package on_subscribe (fun(topic: string, is_on: boolean))?
local Pub <const> = sockets.class "PUB"

--- An error of on_subscribe is in the log, and no reason to turn a subscriber away.
local function tell(self, topic, is_on)
  if not self.on_subscribe then return end
  local ok <const>, failure <const> = xpcall(self.on_subscribe, traceback.handler, topic, is_on)
  if ok then return end
  if core.is_interruption(failure) then error(failure, 0) end
  log.failure("zeromq: on_subscribe has failed: " .. failure.message, { traceback = failure.traceback },
    "zeromq: on_subscribe has failed")
end

--- What a subscription takes in memory, about.
local function size_of(topic)
  return #topic + ENTRY
end

--- One more, or the first of all to subscribe: who is told of that may already send to it.
local function add_peer(self, topic, peer)
  local peers <const> = self.wants[topic]
  if peers then
    peers[peer] = true
    return
  end
  self.wants[topic] = { [peer] = true }
  self.sizes[#topic] = (self.sizes[#topic] or 0) + 1
  tell(self, topic, true)
end

--- Returns whether the peer may.
local function add(self, topic, peer)
  local count <const> = peer.topics[topic]
  if not count then
    peer.topics_size = peer.topics_size + size_of(topic)
    if peer.topics_size > self.topics then return false end
  end
  peer.topics[topic] = (count or 0) + 1
  if not count then add_peer(self, topic, peer) end
  return true
end

local function forget(self, topic, peer)
  local peers <const> = self.wants[topic]
  peers[peer] = nil
  if next(peers) then return end
  self.wants[topic] = nil
  self.sizes[#topic] = self.sizes[#topic] > 1 and self.sizes[#topic] - 1 or nil
  tell(self, topic, false)
end

local function remove(self, topic, peer)
  local count <const> = peer.topics[topic]
  if not count then return end
  if count > 1 then
    peer.topics[topic] = count - 1
    return
  end
  peer.topics[topic], peer.topics_size = nil, peer.topics_size - size_of(topic)
  forget(self, topic, peer)
end

--- What is said is done: false when there are too many subscriptions.
local function take(self, peer, verb, topic)
  if verb == "SUBSCRIBE" or verb == ON then return add(self, topic, peer) end
  if verb == "CANCEL" or verb == OFF then remove(self, topic, peer) end
  return true
end

--- Subscriptions come as commands since ZMTP 3.1, and as messages before.
function Pub:run(peer)
  peer.topics, peer.topics_size = {}, 0
  while true do
    local kind <const>, value <const>, body <const> = peer:read(self.limit)
    if not kind then return nil, value, body end
    local verb, topic = value, body
    if kind == "message" then verb, topic = value[1]:sub(1, 1), value[1]:sub(2) end
    if not take(self, peer, verb, topic) then return nil, "it subscribes to too many topics", "limit" end
  end
end

function Pub:on_left(peer)
  for topic in pairs(peer.topics) do forget(self, topic, peer) end
end

--- Who wants a topic: each once, however many of its subscriptions match.
local function find(self, topic)
  local found <const> = {}
  for size in pairs(self.sizes) do
    local peers <const> = size <= #topic and self.wants[topic:sub(1, size)]
    for peer in pairs(peers or {}) do found[peer] = true end
  end
  return found
end

--- Sends a message to all who want it. Does not wait: one that is too slow misses it, which is counted.
---@param topic string the first part
---@param ... string more parts
---@return integer count how many it is sent to
function Pub:send(topic, ...)
  local parts <const>, count = sockets.methods.parts(topic, ...), 0
  local bytes
  for peer in pairs(find(self, topic)) do
    bytes = bytes or wire.message(parts)
    if peer:offer(bytes, self.queued) then count = count + 1 else self.dropped = self.dropped + 1 end
  end
  return count
end

local function check_bytes(options, name, otherwise)
  local value <const> = options[name]
  if value == nil then return otherwise end
  if math.type(value) ~= "integer" or value < 1 then
    error(("option '%s' must be a positive integer, not %s"):format(name, tostring(value)), 4)
  end
  return value
end

local function publisher(kind, options, known)
  local given <const> = sockets.check(options, known, 1)
  local queued <const>, topics <const> = check_bytes(given, "queued", QUEUED), check_bytes(given, "topics", TOPICS)
  return sockets.new(Pub, kind, { "SUB", "XSUB" }, { wants = {}, sizes = {}, dropped = 0, queued = queued,
    topics = topics, on_subscribe = given.on_subscribe, limit = given.limit or SAID })
end

--- A socket that publishes. Options: queued (bytes that may be on their way to a subscriber, default 1 MiB; what comes
--- then it misses), limit (bytes of what a subscriber says at once, default 64 KiB), topics (bytes of all that a
--- subscriber wants, and 128 for each topic, default 4 MiB; it is turned away when it wants more).
---@param options { queued: integer?, limit: integer?, topics: integer? }?
---@return perigee.zeromq.Pub
function M.pub(options)
  local socket <const> = publisher("PUB", options, { queued = true, limit = true, topics = true })
  return socket
end

--- The same, which is also told of what is wanted: on_subscribe(topic, true) when the first subscribes to a prefix,
--- on_subscribe(topic, false) when the last one has gone.
---@param options { on_subscribe: fun(topic: string, is_on: boolean), queued: integer?, limit: integer?,
--- topics: integer? }?
---@return perigee.zeromq.Pub
function M.xpub(options)
  local socket <const> = publisher("XPUB", options, { queued = true, limit = true, topics = true, on_subscribe = true })
  return socket
end

-- SUB.

---@class perigee.zeromq.Sub: perigee.zeromq.Socket
---@field package topics table<string, true>
---@field package messages perigee.Channel
local Sub <const> = sockets.class "SUB"

local function ask(peer, topic, is_on)
  if peer.minor > 0 then return peer.conn:write(wire.command(is_on and "SUBSCRIBE" or "CANCEL", topic)) end
  return peer.conn:write(wire.message { (is_on and ON or OFF) .. topic })
end

--- While nobody receives and as many wait as may, the peers are not read.
function Sub:run(peer)
  for topic in pairs(self.topics) do ask(peer, topic, true) end
  while true do
    local kind <const>, value <const>, code <const> = peer:read(self.limit)
    if not kind then return nil, value, code end
    if kind == "message" then self.messages:send(value) end
  end
end

local function check_topic(topic)
  if type(topic) ~= "string" then error("bad argument 'topic' (a string expected)", 3) end
end

--- Subscribes to all topics that begin with this, at all peers.
---@param topic string "" is everything
function Sub:subscribe(topic)
  check_topic(topic)
  if self.topics[topic] then return end
  self.topics[topic] = true
  for peer in pairs(self.peers) do ask(peer, topic, true) end
end

---@param topic string
function Sub:unsubscribe(topic)
  check_topic(topic)
  if not self.topics[topic] then return end
  self.topics[topic] = nil
  for peer in pairs(self.peers) do ask(peer, topic, false) end
end

local function parts_or_failure(parts, message, code)
  if parts then return table.unpack(parts) end
  return nil, message, code
end

--- The next message; waits while there is none.
---@param seconds number? to wait at most
---@return string? topic
---@return string? ... the further parts; or message
---@return string? code "timeout" "closed"
function Sub:receive(seconds)
  if seconds ~= nil and type(seconds) ~= "number" then error("bad argument 'seconds' (a number expected)", 2) end
  if not seconds then return parts_or_failure(self.messages:receive()) end
  return parts_or_failure(core.deadline(seconds, self.messages.receive, self.messages))
end

--- In a for: the parts of the next message, until the socket is closed.
---@return fun(): string?, ...
function Sub:values()
  return function() return self:receive() end
end

function Sub:close()
  self.messages:close()
  sockets.methods.close(self)
end

Sub.__close, Sub.__gc = Sub.close, Sub.close

local function check_waiting(waiting)
  if waiting == nil or math.type(waiting) == "integer" and waiting > 0 then return end
  error("option 'waiting' must be a positive integer, not " .. tostring(waiting), 3)
end

--- A socket that receives what is published. Options: waiting (messages that may wait for a receiver, default 1000;
--- then the publishers wait, or leave some out), limit (bytes of a message, default 16 MiB).
---@param topics string|string[]|nil prefixes to subscribe to
---@param options { waiting: integer?, limit: integer? }?
---@return perigee.zeromq.Sub
function M.sub(topics, options)
  local given <const> = sockets.check(options, { waiting = true, limit = true })
  check_waiting(given.waiting)
  local socket <const> = sockets.new(Sub, "SUB", { "PUB", "XPUB" }, { topics = {}, limit = given.limit,
    messages = channel(given.waiting or WAITING) })
  for _, topic in ipairs(type(topics) == "table" and topics or { topics }) do socket:subscribe(topic) end
  return socket
end

return M
