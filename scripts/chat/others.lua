--- What the processes that share a bus tell each other: events, which are tables that JSON can hold. Each hears those
--- of the others once, also across a reload, and in the order in which they were told.

local bus <const> = require "perigee.bus"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local TOPIC <const> = "chat"
local WAITING_MAX <const> = 10000 -- events that wait to be sent, or to be heard; older ones are lost
local REST <const> = 1            -- seconds between two tries
local EVENT <const> = "^(" .. ("%x"):rep(16) .. ") (%d+) (.*)$" -- the process's id, the event's number, the event

--- `id` is this process's; `heard` has the number of the last event by the ids of the others.
local self <const> = service.state("others", function()
  return { id = ("%016x"):format(math.random(0)), number = 0, heard = {}, waiting = task.queue "fifo" }
end)

--- One version at a time sends, and one hears: a newer one when the task of the older one has ended.
local turns <const> = service.state("turns", function()
  return { send = task.semaphore(1), hear = task.semaphore(1) }
end)

local M <const> = { id = self.id }

--- Tells all other processes. Never waits: when too many events wait to be told the oldest is lost, which the log
--- says.
---@param event table
function M.tell(event)
  self.number = self.number + 1
  if #self.waiting >= WAITING_MAX then
    self.waiting:get()
    log.refusal("the others miss an event: too many wait to be told", { waiting = WAITING_MAX })
  end
  self.waiting:put { number = self.number, text = json.encode(event) }
end

local function send(to, event)
  local text <const> = ("%s %d %s"):format(self.id, event.number, event.text)
  while true do
    local sent <const>, message <const>, code <const> = to:publish(TOPIC, text)
    if sent then return end
    log.warn("the other processes cannot be told", { reason = message })
    if code == "limit" then return end -- of this event never
    task.sleep(REST)
  end
end

--- What is being sent is kept until it has been: a newer version sends it again, and it is heard once.
local function send_all(to)
  local _ <close> = turns.send:acquire()
  while true do
    self.sending = self.sending or self.waiting:get()
    send(to, self.sending)
    self.sending = nil
  end
end

local function take(hear, text)
  local from <const>, digits <const>, rest <const> = text:match(EVENT)
  local number <const> = math.tointeger(tonumber(digits))
  if not number or from == self.id or number <= (self.heard[from] or 0) then return end
  local event <const> = json.decode(rest)
  if type(event) ~= "table" then return end
  self.heard[from] = number
  hear(event, from)
end

local function subscribe(from)
  while true do
    local subscription <const>, message <const> = from:subscribe(TOPIC)
    if subscription then return subscription end
    log.warn("the other processes cannot be heard", { reason = message })
    task.sleep(REST)
  end
end

local function receive(ear, hear, on_start)
  local _ <close> = turns.hear:acquire()
  repeat
    on_start()
    for text, _, lost in ear.subscription do
      if lost then on_start() end
      take(hear, text)
    end
    if not ear.is_over then ear.subscription = subscribe(ear.bus) end
  until ear.is_over
end

--- A newer version has subscribed, and waits for its turn: what was told before that is still heard here.
local function finish(ear)
  ear.is_over = true
  ear.subscription:finish()
  ear.task:join()
end

--- Joins the processes at a bus; raises when it cannot be reached now. What they tell while a newer version is loaded
--- waits for it until the older one has heard the rest, so that nothing is missed. `hear` is called with each event and
--- the id of its process; `on_start` when this one hears the others, and again when it may have missed some of their
--- events.
---@param url string "local:" or "redis://host:port"
---@param hear fun(event: table, from: string)
---@param on_start fun()
function M.join(url, hear, on_start)
  local open <const> = assert(bus.open(url, { limit = WAITING_MAX }))
  local ear <const> = { bus = open, subscription = assert(open:subscribe(TOPIC)), is_over = false }
  task.spawn(send_all, open)
  ear.task = task.spawn(receive, ear, hear, on_start)
  service.on_reload(function() finish(ear) end)
end

--- An id is of no process any more.
---@param id string
function M.forget(id)
  self.heard[id] = nil
end

return M
