--- A connection that many tasks send commands on. What they send in one pass of the loop leaves in one write, and the
--- replies are matched to the commands by their order. A task that is cancelled or past its deadline leaves its place
--- in the order behind: the reply is dropped when it comes. When the connection breaks, what was under way fails, as
--- nobody knows whether it was done; what has not been sent waits for the next connection. A server that says READONLY
--- was made a replica of another one: it answers what it was asked, and then there is a new connection, for which its
--- name is looked up anew.

local core <const> = require "core.task"
local log <const> = require "perigee.log"
local new_keeper <const> = require "perigee.redis.keeper"
local resp <const> = require "perigee.codec.resp"
local is_read_only <const> = require("perigee.redis.session").is_read_only

local IN_FLIGHT <const> = 4 * 1024 * 1024 -- bytes of commands without a reply; more have to wait
local NULL <const> = resp.null

--- Commands that were sent together, and what has become of them.
---@class perigee.redis.Request
---@field count integer commands
---@field size integer bytes
---@field sent number when, on the loop's clock
---@field patience number seconds that the server may take for it
---@field link perigee.redis.Link
---@field is_done boolean
---@field is_abandoned boolean nobody waits for it any more
---@field reply any of one command
---@field replies any[]? of several commands, with null for nil
---@field message string? why there is no reply
---@field code string?
local Request <const> = {}
Request.__index = Request

---@class perigee.redis.Link
---@field keeper perigee.redis.Keeper
---@field first integer requests under way are at [first] to [last]
---@field last integer
---@field in_flight integer bytes
---@field free perigee.redis.Request[] to be used again
local Link <const> = {}
Link.__index = Link

--- Runs when the task that has sent it goes on, whatever the reason.
function Request:__close()
  if not self.is_done then
    self.is_abandoned = true
    if self.link.on_abandon then self.link:on_abandon() end
    return
  end
  local free <const> = self.link.free
  self.reply, self.replies, self.message, self.code = nil, nil, nil, nil
  if #free < 256 then free[#free + 1] = self end
end

local function take_request(self, count, size, patience)
  local request <const> = table.remove(self.free) or setmetatable({ link = self, waitlist = core.waitlist() }, Request)
  request.count, request.size, request.sent, request.patience = count, size, core.now(), patience
  request.is_done, request.is_abandoned = false, false
  if count ~= 1 then request.replies = {} end
  self.last = self.last + 1
  self[self.last] = request
  self.in_flight = self.in_flight + size
  return request
end

local function drop_first(self, request)
  self[self.first] = nil
  self.first = self.first + 1
  self.in_flight = self.in_flight - request.size
  request.is_done = true
  if not request.is_abandoned then request.waitlist:wake() end
  if self.in_flight <= IN_FLIGHT then self.room:wake(math.huge) end
end

--- One reply, in its order; false: nothing was asked.
local function take_reply(self, reply)
  local request <const> = self[self.first]
  if not request then return false end
  local replies <const> = request.replies
  if not replies then
    request.reply = reply
    drop_first(self, request)
    return true
  end
  replies[#replies + 1] = reply == nil and NULL or reply
  if #replies == request.count then drop_first(self, request) end
  return true
end

--- Nothing has come for conn.timeout: is that too long? Else it may be silent for as long as is left to the command
--- whose turn it is.
local function is_too_silent(self, conn)
  local request <const> = self[self.first]
  local timeout <const> = self.settings.timeout
  local left <const> = request and math.max(request.sent, self.began) + request.patience - core.now() or timeout
  conn.timeout = math.min(math.max(left, 0.001), timeout)
  return request ~= nil and left <= 0
end

local function retire(self)
  if not self.keeper:retire() then return end
  log.refusal("redis: the server is read-only now: connecting anew", { peer = self.settings.shown })
end

--- Has the connection been given up, and all that was asked on it been answered?
local function is_over(self, session)
  return self.keeper.session ~= session and self.first > self.last
end

--- Reads replies until something is wrong: message, code.
local function read_replies(self, session)
  local reader <const>, conn <const> = session.reader, session.conn
  while true do
    local reply <const>, note <const>, code <const> = reader:next()
    if reply == nil and note then
      if code ~= "timeout" then return note, code end
      if is_too_silent(self, conn) then
        return ("no reply from %s within %g s"):format(self.settings.shown, self[self.first].patience), "timeout"
      end
    elseif note ~= "push" then -- nobody here has asked for what is pushed
      if not take_reply(self, reply) then
        return ("%s sends a reply that nothing asked for"):format(self.settings.shown), "protocol"
      end
      if is_read_only(reply) then retire(self) end
      if is_over(self, session) then return ("%s is read-only"):format(self.settings.shown), "closed" end
    end
  end
end

local UNCERTAIN <const> = "%s; what was under way may or may not have been done"
local OWN_CODES <const> = { timeout = true, protocol = true, limit = true }

local function fail_all(self, message, code)
  local text <const> = UNCERTAIN:format(message)
  while self.first <= self.last do
    local request <const> = self[self.first]
    request.message, request.code = text, OWN_CODES[code] and code or "closed"
    drop_first(self, request)
  end
end

function Link:is_needed()
  return self.keeper.waiting > 0
end

function Link:serve(session)
  local message, code = "the client is closed", "closed"
  local _ <close> = setmetatable({}, { __close = function() fail_all(self, message, code) end })
  self.began = core.now()
  message, code = read_replies(self, session)
  return message, code
end

local function wait_for_room(self)
  while self.in_flight > IN_FLIGHT do self.room:wait() end
end

--- A connection that takes more; what it is given is sent at once.
local function ready(self)
  local session = self.keeper.session
  while not session or self.in_flight > IN_FLIGHT do
    local message, code
    if session then wait_for_room(self) end
    session, message, code = self.keeper:await()
    if not session then return nil, message, code end
  end
  return session
end

--- Sends `count` commands, which are encoded in `text`, and waits for their replies.
---@param text string
---@param count integer
---@param patience number? seconds that the server may take; default settings.timeout
---@return any reply of one command, else the list of replies, with null for nil
---@return string? message
---@return string? code "closed": it is not known whether they were done
function Link:call(text, count, patience)
  local session <const>, message <const>, code <const> = ready(self)
  if not session then return nil, message, code end
  local request <close> = take_request(self, count, #text, patience or self.settings.timeout)
  session.conn:write(text) -- when it fails, so does the read
  while not request.is_done do request.waitlist:wait() end
  if request.message then return nil, request.message, request.code end
  if request.replies then return request.replies end
  return request.reply
end

--- For good. What is under way fails with "closed".
function Link:close()
  self.keeper:close()
end

---@param settings perigee.redis.Settings
---@param backoff perigee.redis.Backoff
---@return perigee.redis.Link
return function(settings, backoff)
  local self <const> = setmetatable({ settings = settings, first = 1, last = 0, in_flight = 0, free = {}, began = 0,
    room = core.waitlist() }, Link)
  self.keeper = new_keeper(settings, backoff, self)
  return self
end
