--- Queues in a Redis (6.2 or newer): a stream with one group of consumers, and beside it the jobs that are delayed and
--- those that have failed, all at perigee:queue:{NAME}:*. Who waits is woken by a list that is rung like a bell.

local class <const> = require "perigee.queue.class"
local core <const> = require "core.task"
local endings <const> = require "perigee.service.endings"
local failure <const> = require "perigee.queue.failure"
local line <const> = require "perigee.queue.line"
local redis <const> = require "perigee.redis"
local scripts <const> = require "perigee.queue.redis_scripts"

local LISTEN_SECONDS <const> = 5      -- that the bell is waited for at a time
local LOOK_SECONDS <const> = 1        -- at most, between two looks for leases that have ended
local NEVER <const> = 1 << 50         -- attempts
local BESIDES <const> = 1024          -- bytes of a reply that is a job, besides its text
local AT_ONCE <const> = 100           -- failed jobs that are asked for

local closed <const>, lost <const> = failure.closed, failure.lost

---@class perigee.queue.Redis: perigee.queue.Backend
---@field attempts integer
---@field package client perigee.redis.Client
---@field package keys string[] of the scripts
---@field package line perigee.queue.Line the takers
---@field package scope perigee.Scope
---@field package waiting integer takers
---@field package looked number when leases that have ended were looked for, on the loop's clock
---@field package is_open boolean
---@field package users integer of the client: what is under way, and one while it is open
local Redis <const> = {}
Redis.__index = Redis

local function milliseconds(seconds)
  return math.ceil((seconds or 0) * 1000)
end

local function run(self, name, ...)
  local reply <const>, message <const>, code <const> = scripts[name](self.client, self.keys, { ... })
  if message then return nil, ("%s: %s"):format(name, message), code end
  return reply
end

--- The last one who uses the client closes it.
local function let_go(self)
  self.users = self.users - 1
  if self.users == 0 then self.client:close() end
end

local function use(self)
  self.users = self.users + 1
  return setmetatable({}, { __close = function() let_go(self) end })
end

--- Lets go of a job, twice when it is not known whether it was done: the server knows then.
local function let_go_of(self, name, job, ...)
  local _ <close> = use(self)
  local reply, message, code = run(self, name, job.entry, job.count, 0, ...)
  if message and code == "closed" then reply, message, code = run(self, name, job.entry, job.count, 1, ...) end
  if reply == 0 then return lost(name, job) end
  if not reply then return nil, message, code end
  return true
end

--- What no reply could bring back is not taken.
function Redis:put(text, delay)
  local most <const> = self.client.settings.limit - BESIDES
  if #text > most then return nil, ("put: a job of %d bytes: it may have %d at most"):format(#text, most), "limit" end
  return run(self, "put", text, milliseconds(delay))
end

--- Gives back what nobody has got.
local function give_back(self, job)
  let_go_of(self, "release", job, 0, NEVER, 1)
end

local function soon(self, f, ...)
  self.users = self.users + 1 -- at once: the queue may be closed before the task begins
  endings.spawn(self.scope, function(...)
    local _ <close> = setmetatable({}, { __close = function() let_go(self) end })
    f(self, ...)
  end, ...)
end

local function should_look(self)
  local now <const> = core.now()
  if now - self.looked < math.min(self.lease / 4, LOOK_SECONDS) then return 0 end
  self.looked = now
  return 1
end

--- One attempt, in a task of its own: whoever asked for it may be gone when the server has answered.
local function attempt(self, asked)
  local _ <close> = use(self)
  local looks <const> = should_look(self)
  local reply <const>, message <const>, code <const> =
    run(self, "take", milliseconds(self.lease), self.attempts, looks)
  local entry <const>, count <const>, id <const>, deliveries <const>, text <const>, behind <const> =
    table.unpack(reply or {})
  failure.put_aside(self, reply and reply[entry == "" and 3 or 7])
  if not reply then asked.result = { nil, message, code }
  elseif entry == "" then asked.result = { false, count >= 0 and count / 1000 or nil }
  else
    local job <const> = { id = id, text = text, deliveries = deliveries, entry = entry, count = count }
    if count > 1 then self.looked = -math.huge end -- whoever has died may have left more
    if asked.is_given_up or not self.is_open then give_back(self, job) end
    asked.result = self.is_open and { job, behind } or { closed "take" }
  end
  asked.woken:wake()
end

--- The line asks for an attempt when it is somebody's turn.
local function try(self)
  local asked <const> = { woken = core.waitlist() }
  endings.spawn(self.scope, attempt, self, asked)
  local is_over = false
  local _ <close> = setmetatable({}, { __close = function()
    asked.is_given_up = not asked.result
    local job <const> = not is_over and asked.result and asked.result[1]
    if job then soon(self, give_back, job) end -- it came just as its taker was interrupted
  end })
  while not asked.result do asked.woken:wait() end
  is_over = true
  return table.unpack(asked.result, 1, 3)
end

--- Waits for the bell while somebody waits for a job. A ring that comes when nobody waits is for others.
local function listen(self)
  local bell <const> = self.keys[#self.keys]
  while self.waiting > 0 do
    local rung <const>, message <const> = self.client:blocking("BLPOP", bell, LISTEN_SECONDS)
    if rung and self.waiting > 0 then self.line:expect()
    elseif rung then self.client:rpush(bell, "1")
    elseif message then core.sleep(LOOK_SECONDS) end
  end
end

local function listen_if_needed(self)
  if self.listener and self.listener.state ~= "returned" and self.listener.state ~= "failed" then return end
  self.listener = self.scope:spawn(listen, self)
end

function Redis:take(seconds)
  if not self.is_open then return closed "take" end
  if seconds ~= 0 then
    self.waiting = self.waiting + 1
    listen_if_needed(self)
  end
  local _ <close> = setmetatable({}, { __close = function()
    if seconds ~= 0 then self.waiting = self.waiting - 1 end
  end })
  local job <const>, message <const>, code <const> = self.line:take(seconds)
  return job, message, code
end

function Redis:done(job)
  return let_go_of(self, "done", job)
end

function Redis:release(job, delay)
  return let_go_of(self, "release", job, milliseconds(delay), self.attempts, 0)
end

function Redis:release_soon(job, delay)
  soon(self, self.release, job, delay)
end

function Redis:untake_soon(job)
  soon(self, give_back, job)
end

function Redis:extend(jobs)
  local held <const> = {}
  for i, job in ipairs(jobs) do held[2 * i - 1], held[2 * i] = job.entry, job.count end
  local gone <const>, message <const>, code <const> = run(self, "extend", table.unpack(held))
  if not gone then return nil, message, code end
  for i, number in ipairs(gone) do gone[i] = jobs[number] end
  return gone
end

function Redis:counts()
  local counts <const>, message <const>, code <const> = run(self, "count", milliseconds(self.lease))
  if not counts then return nil, message, code end
  return { waiting = counts[1], taken = counts[2], failed = counts[3] }
end

local function failed_ids(self)
  local names <const>, message <const>, code <const> = self.client:hkeys(self.keys[4])
  if message then return nil, "failed: " .. message, code end
  local ids <const> = {}
  for _, name in ipairs(type(names) == "table" and names or {}) do ids[#ids + 1] = math.tointeger(tonumber(name)) end
  table.sort(ids)
  return ids
end

--- One that is retried meanwhile is null.
local function add_failed(list, id, packed)
  local deliveries <const>, text <const> = tostring(packed):match "^(%d+):(.*)$"
  if not deliveries then return end
  list[#list + 1] = { id = id, text = text, deliveries = math.tointeger(tonumber(deliveries)) }
end

function Redis:failed()
  local ids <const>, message <const>, code <const> = failed_ids(self)
  if not ids then return nil, message, code end
  local list <const>, asked = {}, 0
  while asked < #ids do
    local some <const>, why <const>, word <const> =
      run(self, "failed", table.unpack(ids, asked + 1, math.min(asked + AT_ONCE, #ids)))
    if not some then return nil, why, word end
    for i, packed in ipairs(some) do add_failed(list, ids[asked + i], packed) end
    asked = asked + math.max(#some, 1)
  end
  return list
end

function Redis:retry(id)
  if math.type(id) ~= "integer" then return false end
  local retried <const>, message <const>, code <const> = run(self, "retry", id)
  if not retried then return nil, message, code end
  return retried == 1
end

function Redis:close()
  if not self.is_open then return end
  self.is_open = false
  self.line:close()
  if self.listener then self.listener:cancel() end
  let_go(self)
end

--- All keys of a queue lie in one slot of a cluster, and queues of different names have none in common.
local function keys_of(name)
  local prefix <const> = "perigee:queue:{" .. name:gsub("[%%{}]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end) .. "}:"
  local keys <const> = {}
  for i, key in ipairs { "jobs", "texts", "due", "failed", "last", "ended", "bell" } do keys[i] = prefix .. key end
  return keys
end

local M <const> = {}

--- Opens a queue in a Redis.
---@param url string redis://, rediss:// or redis+unix://
---@param name string
---@param options table? see perigee.queue.open and perigee.redis.connect
---@return perigee.Jobs?
---@return string? message
---@return string? code "refused" "denied" "tls" "timeout" ...
function M.open(url, name, options)
  local lease <const>, attempts <const>, rest <const> = class.check(name, options, 2)
  local client <const>, message <const>, code <const> = redis.open(url, rest)
  if not client then return nil, "open the queue: " .. message, code end
  local self <const> = setmetatable({ client = client, keys = keys_of(name), lease = lease, attempts = attempts,
    name = ("%s: %s"):format(client.url, name), scope = core.scope(core.context()), waiting = 0, looked = -math.huge,
    is_open = true, users = 1 }, Redis)
  self.line = line.new(self.scope, function() return try(self) end)
  return class.new(self)
end

return M
