--- The client's side of protocols that have many calls in flight on one connection: it is made with the first call, and
--- made again with the next one when it has broken; after attempts that failed, not before some time has passed.

local core <const> = require "core.task"
local encoded <const> = require "perigee.rpc.encoded"
local in_flight <const> = require "perigee.rpc.in_flight"

local SECONDS <const> = 30   -- default time of a call
local QUIET <const> = 1      -- seconds without a call, after which it is looked whether the server is still there
local LOOK <const> = 0.001   -- seconds that this takes
local GLANCE <const> = 1e-6  -- and that it takes to read what has come
local NOBODY <const> = in_flight.NOBODY
local ID_MAX <const> = 0xffffffff
local PAUSE <const>, PAUSE_MAX <const> = 0.05, 5 -- seconds after the first attempt that failed, and at most

local M <const> = {}

--- How a protocol is spoken.
---@class perigee.rpc.Protocol
---@field open fun(url: string, options: table, seconds: number): perigee.rpc.Link?, string?, string?
---@field encode fun(name: string, arguments: table, id: integer?): string a notification when there is no id

--- A connection that a protocol has opened.
---@class perigee.rpc.Link
---@field receive fun(seconds: number): any, ... the id of an answer, and ok and the result; or nil, message, code
---@field send fun(bytes: string, seconds: number): true?, string?, string?
---@field is_open fun(): boolean
---@field is_quiet fun(): boolean it is open, and nothing has come that nobody has read, as far as the loop has told
---@field close fun()
---@field is_watched boolean? what the server does is also read while nobody calls
---@field calls perigee.rpc.InFlight
---@field used number when there was a call, on the loop's clock

---@class perigee.rpc.Pipelined
---@field url string
---@field options table
---@field protocol perigee.rpc.Protocol
---@field id integer of the last call
---@field link perigee.rpc.Link?
---@field attempt perigee.rpc.Attempt? to connect, that is under way
---@field failed { message: string, code: string, count: integer, until_: number }? attempts since the last connection
local Client <const> = { __name = "perigee.rpc.Client" }
Client.__index = Client

--- Of those that wait for it all get its end; when its task is cancelled, one of them makes another.
---@class perigee.rpc.Attempt
---@field waiting perigee.Waitlist
---@field message string? it has failed
---@field code string?

--- Failures of one message, of which the others on its connection know nothing.
local alone <const> = { timeout = true, limit = true }

local function note_failure(self, message, code)
  local count <const> = (self.failed and self.failed.count or 0) + 1
  local pause <const> = math.min(PAUSE * 2 ^ (count - 1), PAUSE_MAX) * (0.5 + math.random() / 2)
  self.failed = { message = message, code = code, count = count, until_ = core.now() + pause }
  return nil, message, code
end

--- Its task knows nothing of the client, which can be collected meanwhile: that closes the link.
local function watch(link)
  core.scope(core.context()):spawn(function()
    link.calls:watch()
    link.close()
  end)
end

local function open(self, seconds)
  local failed <const> = self.failed
  local pause <const> = failed and failed.until_ - core.now() or 0
  if failed and pause >= seconds then return nil, failed.message, failed.code end
  if pause > 0 then core.sleep(pause) end
  local link <const>, message <const>, code <const> =
    self.protocol.open(self.url, self.options, seconds - math.max(pause, 0))
  if not link then return note_failure(self, message, code) end
  link.calls, link.used = in_flight.new(link.receive), core.now()
  if link.is_watched then watch(link) end
  self.link, self.failed = link, nil
  return link
end

local function connect(self, seconds)
  local attempt <close> = setmetatable({ waiting = core.waitlist() }, { __close = function(attempt)
    self.attempt = nil
    attempt.waiting:wake(math.huge)
  end })
  self.attempt = attempt
  local link <const>, message <const>, code <const> = open(self, seconds)
  attempt.message, attempt.code = message, code
  if link and self.is_closed then link.close() end
  return link, message, code
end

local function drop(self, link)
  link.close()
  if self.link == link then self.link = nil end
end

--- Reads what comes within so many seconds, of which nobody has asked for anything.
local function look(link, seconds)
  local slot <close> = link.calls:open(NOBODY)
  link.calls:wait(slot, core.now() + seconds)
end

--- A server that has gone is noticed before a call is lost to it.
local function is_alive(link)
  local calls <const> = link.calls
  if calls.failure then return false end
  local is_quiet <const> = link.is_quiet()
  if is_quiet and (calls.count > 0 or core.now() - link.used < QUIET) then return true end
  if calls.count > 0 or not link.is_open() then return link.is_open() end
  if not is_quiet then look(link, GLANCE) end
  if not calls.failure and (is_quiet or not link.is_quiet()) then look(link, LOOK) end
  return not calls.failure
end

--- The link, if there is one that is alive, or else a new one.
local function link_of(self, until_)
  local link <const> = self.link
  if link and is_alive(link) then return link end
  if link then drop(self, link) end
  if not self.link and not self.attempt then return connect(self, until_ - core.now()) end
end

--- The connection, made if need be.
local function link_within(self, until_)
  while not self.is_closed do
    local attempt <const> = self.attempt
    if attempt then
      if not attempt.waiting:wait(math.max(until_ - core.now(), 0)) then
        return nil, "no connection in time", "timeout"
      end
      if attempt.message then return nil, attempt.message, attempt.code end
    else
      local link <const>, message <const>, code <const> = link_of(self, until_)
      if message or link and not self.is_closed then return link, message, code end
    end
  end
  return nil, "the client is closed", "closed"
end

local function fail(self, name, message, code)
  return nil, ("call %s at %s: %s"):format(name, self.url, message), code
end

local function finish(self, link, name, ok, ...)
  if ok ~= nil then return ok, ... end
  local message <const>, code <const> = ...
  if link.calls.failure then drop(self, link) end
  return fail(self, name, message, code)
end

--- Calls a method and waits for its answer. Raises for arguments that cannot be encoded. A server that has closed the
--- connection between two calls is noticed before one is sent; a call that crosses the close is "closed".
---@param name string
---@param arguments table with n
---@param seconds number? at most, default 30
---@return boolean? ok nil: there is no answer
---@return any result the perigee.rpc.Fault when not ok; the message when there is no answer
---@return string? code "timeout" "closed" "refused" "protocol" ...: after those the call may have been done or not
function Client:call(name, arguments, seconds)
  local until_ <const> = core.now() + (seconds or self.options.timeout or SECONDS)
  self.id = self.id % ID_MAX + 1
  local id <const> = self.id
  local bytes <const> = encoded(self.protocol.encode, name, arguments, id)
  local link <const>, message <const>, code <const> = link_within(self, until_)
  if not link then return fail(self, name, message, code) end
  link.used = core.now()
  local slot <close> = link.calls:open(id)
  local sent <const>, why <const>, short <const> = link.send(bytes, until_ - core.now())
  if not sent then
    if not alone[short] then link.calls:fail(why, short) end
    return finish(self, link, name, nil, why, short)
  end
  return finish(self, link, name, link.calls:wait(slot, until_))
end

--- Calls a method without an answer.
---@param name string
---@param arguments table with n
---@return true? sent
---@return string? message
---@return string? code
function Client:notify(name, arguments)
  local bytes <const> = encoded(self.protocol.encode, name, arguments)
  local until_ <const> = core.now() + (self.options.timeout or SECONDS)
  local link <const>, message <const>, code <const> = link_within(self, until_)
  if not link then return fail(self, name, message, code) end
  local sent <const>, why <const>, short <const> = link.send(bytes, until_ - core.now())
  if not sent then return fail(self, name, why, short) end
  return true
end

--- Closes the connection: calls that wait fail with "closed".
function Client:close()
  self.is_closed = true
  if self.attempt then self.attempt.waiting:wake(math.huge) end
  if not self.link then return end
  self.link.calls:fail("the client is closed", "closed")
  drop(self, self.link)
end

Client.__close, Client.__gc = Client.close, Client.close

---@param url string
---@param options table timeout: seconds of a call, default 30
---@param protocol perigee.rpc.Protocol
---@return perigee.rpc.Pipelined
function M.new(url, options, protocol)
  return setmetatable({ url = url, options = options, protocol = protocol, id = 0 }, Client)
end

return M
