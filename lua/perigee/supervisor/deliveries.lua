--- Sockets on their way to one worker process: those that it listens on, and connections that were accepted for it. A
--- descriptor goes on a channel of its own, so what belongs to a message is sent together with it.

local core <const> = require "core.task"
local semaphore <const> = require "perigee.task.semaphore"

---@class perigee.supervisor.Deliveries
---@field channel perigee.process.Channel
---@field loads table<string, { sent: integer, ended: integer, aside: boolean? }> connections that were passed, by
--- listener; aside: a version that is being loaded is to serve it, and gets none yet
---@field pending table<integer, table> deliveries that the worker has not confirmed
local Deliveries <const> = {}
Deliveries.__index = Deliveries

--- Answers a worker that has asked for the sockets of an entry.
---@param id integer of the question
---@param entry perigee.supervisor.Entry
---@param sockets any[]
---@param is_aside boolean? a version that is being loaded has asked
---@return true?
---@return string? message
function Deliveries:give(id, entry, sockets, is_aside)
  local _ <close> = self.sending:acquire()
  self.channel:send("listening", id, #sockets, entry.key)
  for _, socket in ipairs(sockets) do
    local sent <const>, message <const> = self.channel:send_fd(socket)
    if not sent then return nil, message end
  end
  self.loads[entry.key] = { sent = 0, ended = 0, aside = is_aside }
  return true
end

--- How many connections that were passed have not ended.
---@return integer
function Deliveries:load()
  local load = 0
  for _, counts in pairs(self.loads) do load = load + counts.sent - counts.ended end
  return load
end

--- Has the worker got the sockets of this listener?
---@param entry perigee.supervisor.Entry
---@return boolean
function Deliveries:has(entry)
  return self.loads[entry.key] ~= nil
end

--- May the worker get one more for this listener?
---@param entry perigee.supervisor.Entry
---@return boolean
function Deliveries:has_room(entry)
  local counts <const> = self.loads[entry.key]
  return counts ~= nil and not counts.aside and counts.sent - counts.ended < (entry.limit or math.huge)
end

--- The worker tells how many of the connections of a listener have ended.
---@param key string
---@param count integer
function Deliveries:ended(key, count)
  if self.loads[key] then self.loads[key].ended = count end
end

--- The worker serves this listener no more, or is about to: it gets no more.
---@param key string
function Deliveries:refuse(key)
  self.loads[key] = nil
end

--- The versions that were loaded aside serve now.
function Deliveries:commit()
  for _, counts in pairs(self.loads) do counts.aside = nil end
end

--- The versions that were loaded aside are thrown away.
function Deliveries:roll_back()
  for key, counts in pairs(self.loads) do
    if counts.aside then self.loads[key] = nil end
  end
end

local function send(self, entry, socket, number)
  return self.channel:send_fd(socket) and self.channel:send("connection", entry.key, number)
end

--- Sends the socket, and waits until the worker says that it has it; unless the worker gets no more meanwhile.
local function deliver(self, entry, socket, counts)
  local number <const>, delivery <const> = self.count + 1, { waiting = core.waitlist() }
  self.count, self.pending[number] = number, delivery
  local place <close> = self.sending:acquire()
  if self.loads[entry.key] ~= counts or not send(self, entry, socket, number) then delivery.outcome = false end
  place:release()
  while delivery.outcome == nil do delivery.waiting:wait() end
  self.pending[number] = nil
  return delivery.outcome
end

local function settle(self, number, outcome)
  local delivery <const> = self.pending[number]
  if not delivery then return end
  delivery.outcome = outcome
  delivery.waiting:wake()
end

--- Passes a connection on; its socket is not closed here. When that fails, the worker has not touched it, and gets no
--- more.
---@param entry perigee.supervisor.Entry
---@param socket perigee.Descriptor of the connection
---@param is_counted boolean the worker will tell of its end
---@return boolean passed
function Deliveries:pass(entry, socket, is_counted)
  local counts <const> = self.loads[entry.key]
  counts.sent = counts.sent + 1
  local passed <const> = not self.is_closed and deliver(self, entry, socket, counts)
  if not passed and self.loads[entry.key] == counts then self:refuse(entry.key) end
  if passed and not is_counted then counts.sent = counts.sent - 1 end
  return passed
end

--- The worker has a connection.
---@param number integer of the delivery
function Deliveries:confirm(number)
  settle(self, number, true)
end

--- The process has ended: what it has not confirmed, it has not touched.
function Deliveries:close()
  self.is_closed, self.loads = true, {}
  for number in pairs(self.pending) do settle(self, number, false) end
end

local M <const> = {}

---@param channel perigee.process.Channel
---@return perigee.supervisor.Deliveries
function M.new(channel)
  return setmetatable({ channel = channel, loads = {}, pending = {}, count = 0, sending = semaphore(1),
    is_closed = false }, Deliveries)
end

return M
