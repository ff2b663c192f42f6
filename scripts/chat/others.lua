--- What the processes that share a bus tell each other: events, which are tables that JSON can hold. Each hears those
--- of the others once, also across a reload, and in the order in which they were told.

local bus <const> = require "perigee.bus"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local TOPIC <const> = "chat"
local WAITING_MAX <const> = 10000 -- events that wait while the bus cannot be reached; older ones are lost
local REST <const> = 1            -- seconds between two tries

--- `id` is this process's; `heard` has the number of the last event by the ids of the others.
local self <const> = service.state("others", function()
  return { id = ("%016x"):format(math.random(0)), number = 0, heard = {}, waiting = task.queue "fifo" }
end)

local M <const> = { id = self.id }

--- Tells all other processes. Never waits.
---@param event table
function M.tell(event)
  self.number = self.number + 1
  if #self.waiting >= WAITING_MAX then self.waiting:get() end
  self.waiting:put { number = self.number, text = json.encode(event) }
end

local function send(to)
  while true do
    local event <const> = self.waiting:get()
    local text <const> = ("%s %d %s"):format(self.id, event.number, event.text)
    local sent, message = to:publish(TOPIC, text)
    while not sent do
      log.warn("the other processes cannot be told", { reason = message })
      task.sleep(REST)
      sent, message = to:publish(TOPIC, text)
    end
  end
end

local function take(hear, text)
  local from <const>, number <const>, rest <const> = text:match "^(%x+) (%d+) (.*)$"
  if not from or from == self.id or tonumber(number) <= (self.heard[from] or 0) then return end
  self.heard[from] = tonumber(number)
  local event <const> = json.decode(rest)
  if type(event) == "table" then hear(event, from) end
end

local function receive(from, hear, on_start)
  local subscription, message = from:subscribe(TOPIC)
  while not subscription do
    log.warn("the other processes cannot be heard", { reason = message })
    task.sleep(REST)
    subscription, message = from:subscribe(TOPIC)
  end
  on_start()
  for text, _, lost in subscription do
    if lost then on_start() end
    take(hear, text)
  end
end

--- Joins the processes at a bus. `hear` is called with each event and the id of its process; `on_start` when this one
--- hears the others, and again when it may have missed some of their events.
---@param url string "local:" or "redis://host:port"
---@param hear fun(event: table, from: string)
---@param on_start fun()
function M.join(url, hear, on_start)
  local open <const> = assert(bus.open(url))
  task.spawn(send, open)
  task.spawn(receive, open, hear, on_start)
end

--- An id is of no process any more.
---@param id string
function M.forget(id)
  self.heard[id] = nil
end

return M
