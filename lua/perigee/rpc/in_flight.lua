--- Calls in flight on one connection, by many tasks: no task of its own reads the answers. One of the callers does,
--- gives the others theirs, and hands the reading on when it has its own. When nobody calls nobody reads, but for
--- watch().

local core <const> = require "core.task"

local PAUSE <const> = 0.02 -- seconds after a call in which the next one may come, before somebody else reads
local TURN <const> = 100   -- messages that nobody waits for, after which others have their turn

local M <const> = { NOBODY = false --[[an id that no call has: what comes with it is dropped]] }

--- One call.
---@class perigee.rpc.Slot
---@field id any
---@field calls perigee.rpc.InFlight
---@field values table? { n =, ... }: what `receive` gave for it
---@field waiter perigee.Waitlist? of the task that waits for somebody else's reading
---@field before perigee.rpc.Slot? opened before
---@field after perigee.rpc.Slot?

---@class perigee.rpc.InFlight
---@field receive fun(seconds: number): any?, ... the id of an answer and what it says; or nil, message, code
---@field slots table<any, perigee.rpc.Slot> by ids
---@field first perigee.rpc.Slot? in the order of opening: the answers mostly come in that
---@field last perigee.rpc.Slot?
---@field count integer calls that are under way
---@field reader perigee.rpc.Slot|"watch"|nil whose task reads
---@field watcher perigee.Waitlist? of the task of watch(), while it does not read
---@field is_awaited boolean? it waits for the end of all calls
---@field failure table? { message, code }: nothing more will come
local InFlight <const> = { __name = "perigee.rpc.InFlight" }
InFlight.__index = InFlight

local Slot <const> = { __name = "perigee.rpc.Slot" }

local function wake(slot)
  if slot and slot.waiter then slot.waiter:wake() end
end

--- Nothing more will come: every caller is told.
---@param message string
---@param code string
function InFlight:fail(message, code)
  self.failure = self.failure or { message, code }
  for _, slot in pairs(self.slots) do wake(slot) end
  if self.watcher then self.watcher:wake() end
end

--- A call that is about to be sent: to be held in a <close> variable until it is over. An answer that comes later is
--- dropped.
---@param id any that its answer will have
---@return perigee.rpc.Slot
function InFlight:open(id)
  local slot <const> = setmetatable({ id = id, calls = self, before = self.last }, Slot)
  if self.last then self.last.after = slot else self.first = slot end
  self.slots[id], self.last = slot, slot
  self.count = self.count + 1
  return slot
end

local function unlink(self, slot)
  local before <const>, after <const> = slot.before, slot.after
  if before then before.after = after else self.first = after end
  if after then after.before = before else self.last = before end
end

--- Another caller reads on; one that has its answer already hands that on in its turn.
function Slot:__close()
  local calls <const> = self.calls
  calls.slots[self.id] = nil
  calls.count = calls.count - 1
  unlink(calls, self)
  if calls.reader == self then calls.reader = nil end
  if not calls.reader then wake(calls.first) end
  if calls.is_awaited and not calls.first then calls.watcher:wake() end
end

local function deliver(self, id, ...)
  local slot <const> = self.slots[id]
  if not slot then return end
  slot.values = table.pack(...)
  wake(slot)
end

--- Takes one answer, whoever it is for. false: the time is over.
local function read_one(self, seconds)
  local function take(id, message, code, ...)
    if id ~= nil then return deliver(self, id, message, code, ...) end
    if code == "timeout" then return false end
    self:fail(message, code)
  end
  return take(self.receive(seconds)) ~= false
end

local function wait_turn(self, slot, seconds)
  if not self.reader then
    self.reader = slot
    return read_one(self, seconds)
  end
  if self.reader == slot then return read_one(self, seconds) end
  slot.waiter = slot.waiter or core.waitlist()
  return slot.waiter:wait(seconds)
end

--- Waits for the answer to a call, which stays open.
---@param slot perigee.rpc.Slot
---@param until_ number on the loop's clock
---@return any ... what `receive` gave after the id; or nil, message, code: "timeout" among others
function InFlight:wait(slot, until_)
  while not slot.values and not self.failure do
    local left <const> = until_ - core.now()
    if left <= 0 then return nil, "no answer in time", "timeout" end
    wait_turn(self, slot, left)
  end
  if not slot.values then return nil, table.unpack(self.failure) end
  return table.unpack(slot.values, 1, slot.values.n)
end

local function await_end(self)
  self.is_awaited = true
  self.watcher:wait()
  self.is_awaited = false
end

--- Until somebody who has called meanwhile has got an answer.
local function read_idly(self)
  local _ <close> = setmetatable({}, { __close = function()
    self.reader = nil
    wake(self.first)
  end })
  self.reader = "watch"
  local count = 0
  while not self.first and not self.failure do
    read_one(self, math.huge)
    count = count + 1
    if count % TURN == 0 then core.sleep(0) end
  end
end

--- Reads while nobody calls, so that what the peer does meanwhile is answered and noticed. Ends with the connection.
function InFlight:watch()
  self.watcher = core.waitlist()
  while not self.failure do
    if self.first then await_end(self)
    elseif not self.watcher:wait(PAUSE) and not self.first then read_idly(self) end
  end
end

--- `receive` takes one answer from the connection: its id, which is not nil, and what it says; or nil, message, code.
---@param receive fun(seconds: number): any?, ...
---@return perigee.rpc.InFlight
function M.new(receive)
  return setmetatable({ receive = receive, slots = {}, count = 0 }, InFlight)
end

return M
