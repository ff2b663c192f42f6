--- Keeps one connection to a Redis while somebody needs it: connects, greets, has its owner serve it, and when it has
--- ended and is still needed connects again, with back-off. The owner has
---   owner:is_needed() -> boolean
---   owner:serve(session) -> message, code    until the connection has ended; then the keeper closes it
---   owner:gave_up(message, code)             an attempt has failed in a way that another would, too (optional)

local core <const> = require "core.task"
local log <const> = require "perigee.log"
local session <const> = require "perigee.redis.session"

---@class perigee.redis.Keeper
---@field settings perigee.redis.Settings
---@field session table? the connection, once it takes commands
---@field failure { message: string, code: string }? of the last attempt
---@field is_lasting boolean it would come again
---@field refusals integer how many of those there were
---@field waiting integer tasks that wait for the connection
---@field is_closed boolean
local Keeper <const> = {}
Keeper.__index = Keeper

local function note_failure(self, message, code, is_lasting)
  self.failure, self.is_lasting = { message = message, code = code }, is_lasting
  self.backoff:failed()
  if is_lasting then self.refusals = self.refusals + 1 end
end

--- Warns of the first failure, when another attempt follows: nobody is told of it until his patience is over.
local function warn_once(self)
  if self.backoff.is_warned then return end
  self.backoff.is_warned = true
  log.refusal("redis: not connected, trying on", { peer = self.settings.shown, reason = self.failure.message })
end

--- It has come back, or has failed for good: the next failure is the first one again.
local function end_warning(self, is_back)
  if is_back and self.backoff.is_warned then log.info("redis: connected", { peer = self.settings.shown }) end
  self.backoff.is_warned = false
end

--- One attempt, and the connection's life if there comes one. false: no use to try again now.
local function attempt(self)
  self.backoff:wait()
  if not self.owner:is_needed() then return false end
  local opened <const>, message <const>, code <const>, is_lasting <const> = session.open(self.settings)
  if opened then
    local began <const> = core.now()
    local _ <close> = setmetatable({}, { __close = function()
      self.session = nil
      opened.conn:abort()
    end })
    self.session, self.failure, self.is_lasting = opened, nil, false
    end_warning(self, true)
    self.changed:wake(math.huge)
    local why <const>, short <const> = self.owner:serve(opened)
    self.failure = { message = why, code = short }
    self.backoff:ended(core.now() - began)
    return true
  end
  note_failure(self, message, code, is_lasting)
  if is_lasting then end_warning(self, false) else warn_once(self) end
  if is_lasting and self.owner.gave_up then self.owner:gave_up(message, code) end
  return not is_lasting
end

local function run(self)
  local _ <close> = setmetatable({}, { __close = function(_, failure)
    if failure ~= nil then note_failure(self, tostring(failure), "failed", true) end
    self.task = nil
    self.changed:wake(math.huge)
  end })
  while not self.is_closed and self.owner:is_needed() do
    if not attempt(self) then return end
  end
end

--- Sees to it that there is a connection, or will be one.
function Keeper:start()
  if not self.task and not self.is_closed then self.task = self.scope:spawn(run, self) end
end

local function failed(self, seconds)
  local failure <const> = self.failure
  if failure then return nil, failure.message, failure.code end
  return nil, ("connect to %s: not connected within %g s"):format(self.settings.shown, seconds), "timeout"
end

--- What will fail again is not tried again before its time, and whoever comes until then is told at once.
local function is_hopeless(self, refusals)
  return self.refusals ~= refusals or self.is_lasting and core.now() < self.backoff.not_before
end

local function wait_for_session(self, seconds)
  local deadline <const>, refusals <const> = core.now() + seconds, self.refusals
  while not self.session do
    if self.is_closed then return nil, "the client is closed", "closed" end
    if is_hopeless(self, refusals) then return failed(self, seconds) end
    self:start()
    if not self.changed:wait(math.max(0, deadline - core.now())) then return failed(self, seconds) end
  end
  return self.session
end

--- The connection; waits for it.
---@param seconds number? at most; default settings.timeout
---@return table? session
---@return string? message of the last attempt to connect
---@return string? code "refused" "denied" "tls" "timeout" ...
function Keeper:await(seconds)
  if self.session then return self.session end
  self.waiting = self.waiting + 1
  local _ <close> = setmetatable({}, { __close = function() self.waiting = self.waiting - 1 end })
  return wait_for_session(self, seconds or self.settings.timeout)
end

--- Gives the connection to nobody any more: its owner ends it when all is answered, and who comes waits for the next.
---@return boolean retired false: there is none
function Keeper:retire()
  local was_there <const> = self.session ~= nil
  self.session = nil
  return was_there
end

--- Ends the connection for good. What waits fails with "closed".
function Keeper:close()
  if self.is_closed then return end
  self.is_closed = true
  if self.session then self.session.conn:abort() end
  self.session = nil
  if self.task then self.task:cancel() end
  self.changed:wake(math.huge)
end

---@param settings perigee.redis.Settings
---@param backoff perigee.redis.Backoff
---@param owner table
---@return perigee.redis.Keeper
return function(settings, backoff, owner)
  return setmetatable({ settings = settings, backoff = backoff, owner = owner, waiting = 0, is_closed = false,
    is_lasting = false, refusals = 0, changed = core.waitlist(), scope = core.scope(core.context()) }, Keeper)
end
