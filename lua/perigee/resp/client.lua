--- A client of a RESP server: what the commands know of it. It is data, so that it outlives a reload of the script.

local codec <const> = require "perigee.codec.resp"
local core <const> = require "core.task"
local task <const> = require "perigee.task"

local AHEAD <const> = 1000   -- commands that are read while another one waits; and as many bytes as one may have
local WORD_COST <const> = 32 -- bytes that a word takes besides its own

---@class perigee.resp.Client
---@field conn perigee.Connection
---@field id integer
---@field since number on the loop's clock
---@field version 2|3 of RESP
---@field name string given by CLIENT SETNAME
---@field database integer 0 ...
---@field subscriptions integer
---@field is_restricted boolean it may call only some of the commands, because it is a stranger or a subscriber; or they
--- are queued
---@field is_trusted boolean it has given the password, or there is none
---@field is_closing boolean it is closed once its commands are answered
---@field gone { [1]: string, [2]: string }? message and code, when it has gone while it waited
---@field transaction perigee.resp.Transaction? between MULTI and EXEC
---@field executing { written: any[], later: table[] }|false while EXEC carries one out
---@field watched { database: perigee.resp.Database, key: string }[]? see perigee.resp.watching
---@field has_stale boolean? one of those was changed
---@field package ahead table[]? commands that came while another one waited
---@field package endings (fun(client: perigee.resp.Client))[]?
---@field package limits { trusted: integer, stranger: integer, seconds: number } bytes of a command, time of a stranger
---@field package respeak (fun(client: perigee.resp.Client))? is called when the version has changed
---@field package reader perigee.Reader
---@field package wakes any? a waitlist
local Client <const> = { __name = "perigee.resp.Client" }
Client.__index = Client

local INTERNAL <const> = codec.error "ERR internal error"

local last_id, alive, waiting = 0, 0, 0

--- A reply or push besides the one that the handler returns. It waits while much is queued. In a transaction it is a
--- part of the command's reply.
---@param value any
function Client:write(value)
  if self.executing then return table.insert(self.executing.written, value == nil and codec.null or value) end
  if codec.write(self.conn, value, self.version) then self.conn:write() end
end

--- Has f(client) called when the client's connection has ended, or is as new after RESET: what it holds is given up.
---@param f fun(client: perigee.resp.Client)
function Client:on_end(f)
  self.endings = self.endings or {}
  for _, known in ipairs(self.endings) do
    if known == f then return end
  end
  table.insert(self.endings, f)
end

local function restrict(self)
  self.is_restricted = not self.is_trusted or self:listens_only() or self.transaction ~= nil
end

--- Its commands are queued from now on; nil: not any more.
---@param transaction perigee.resp.Transaction?
function Client:set_transaction(transaction)
  self.transaction = transaction
  restrict(self)
end

--- Calls f(...): at once, or in a transaction at its end.
---@param f function
---@param ... any
function Client:finally(f, ...)
  if not self.executing then return f(...) end
  table.insert(self.executing.later, table.pack(f, ...))
end

--- Lets other tasks have their turn, but not in a transaction.
function Client:pause()
  if not self.executing then task.sleep(0) end
end

--- Is it a subscriber of version 2, whose connection has messages and so no answers?
---@return boolean
function Client:listens_only()
  return self.subscriptions > 0 and self.version == 2
end

--- It has more or fewer subscriptions.
---@param more integer
function Client:count_subscriptions(more)
  self.subscriptions = self.subscriptions + more
  restrict(self)
end

--- The client may do what strangers may not, and send larger commands; or may not any more.
---@param is_trusted boolean
function Client:trust(is_trusted)
  self.is_trusted = is_trusted
  local limit <const> = is_trusted and self.limits.trusted or self.limits.stranger
  self.reader = codec.reader(self.conn, { commands = true, limit = limit })
  self.conn.timeout = not is_trusted and self.limits.seconds or nil
  restrict(self)
end

--- The client speaks another version of RESP from now on.
---@param version 2|3
function Client:speak(version)
  if version == self.version then return end
  self.version = version
  restrict(self)
  if self.respeak then self.respeak(self) end
end

-- Waiting: meanwhile its commands are read and kept, so that its end is noticed.

local function length_of(words)
  local length = 0
  for _, word in ipairs(words) do length = length + #word + WORD_COST end
  return length
end

local function read_ahead(self)
  self.ahead = self.ahead or {}
  local bytes = 0
  while #self.ahead < AHEAD and bytes < self.limits.trusted do
    local words <const> = table.pack(self.reader:next())
    bytes = bytes + length_of(words)
    if not words[1] then
      self.gone = { words[2], words[3] }
      self.wakes:wake()
      return
    end
    table.insert(self.ahead, words)
  end
end

--- Waits until another task calls wake, the client has gone (`gone` says so), or the time is over, which it is at once
--- in a transaction. For a handler: the client's task.
---@param seconds number math.huge: for ever
---@return boolean woken
function Client:wait(seconds)
  if self.executing then return false end
  self.wakes = self.wakes or core.waitlist()
  if self.gone then return true end
  local reading <const> = task.spawn(read_ahead, self)
  waiting = waiting + 1
  local _ <close> = setmetatable({}, { __close = function()
    waiting = waiting - 1
    reading:cancel()
    reading:join()
  end })
  return self.wakes:wait(seconds)
end

--- Ends a wait.
function Client:wake()
  self.wakes:wake()
end

--- The words of the next command, as Reader:next gives them. Those of a client that has gone are not carried out.
function Client:next()
  if self.ahead then
    if self.gone then return nil, self.gone[1], self.gone[2] end
    local words <const> = table.remove(self.ahead, 1)
    if words then return table.unpack(words, 1, words.n) end
    self.ahead = nil
  end
  return self.reader:next()
end

--- Gives up what it holds.
function Client:forget()
  for _, f in ipairs(self.endings or {}) do f(self) end
end

--- Its conversation has ended; by an error of a handler, which is in the log, and nobody else's business.
function Client:__close(problem)
  self.is_closing = true
  alive = alive - 1
  if type(problem) == "string" then codec.write(self.conn, INTERNAL, self.version) end
  self:forget()
end

function Client:__tostring()
  return ("client %d at %s"):format(self.id, tostring(self.conn.peer))
end

local M <const> = {}

--- How many clients there are, and how many of them wait.
---@return integer
---@return integer
function M.count() return alive, waiting end

--- To be held in a <close> variable.
---@param conn perigee.Connection
---@param limits { trusted: integer, stranger: integer, seconds: number }
---@param is_trusted boolean
---@return perigee.resp.Client
function M.new(conn, limits, is_trusted)
  last_id, alive = last_id + 1, alive + 1
  local self <const> = setmetatable({
    conn = conn, id = last_id, since = task.now(), version = 2, name = "", database = 0,
    subscriptions = 0, is_closing = false, executing = false, limits = limits,
  }, Client)
  self:trust(is_trusted)
  return self
end

return M
