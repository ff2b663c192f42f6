--- MessagePack-RPC over streams (github.com/msgpack-rpc/msgpack-rpc, spec.md): the server's side.

local core <const> = require "core.task"
local fault <const> = require "perigee.rpc.fault"
local log <const> = require "perigee.log"
local msgpack <const> = require "perigee.codec.msgpack"
local net <const> = require "perigee.net"
local writer <const> = require "perigee.rpc.writer"

local REQUEST <const>, RESPONSE <const>, NOTIFICATION <const> = 0, 1, 2
local CALLS <const> = 100                      -- default limit of calls of one connection that run at a time
local ID_MAX <const> = 0xffffffff

local M <const> = {}

--- A connection that calls methods. Its tasks take turns at reading: the one that has read a request runs it, while
--- another stands by to go on should it wait. So calls that do not wait cost no task.
---@class perigee.rpc.msgpack.Session
---@field service perigee.rpc.Service
---@field messages perigee.Reader
---@field output perigee.rpc.Writer
---@field group perigee.Scope of its tasks
---@field tasks integer
---@field calls integer tasks that there may be
---@field reader any the token of the task that reads
---@field spare integer tasks that stand by, or are about to
---@field turn perigee.Waitlist of those
---@field ended boolean nothing more is read
local Session <const> = {}
Session.__index = Session

-- Answers.

local function encode_failure(id, failure)
  local told <const> = { code = failure.code, message = failure.message, data = failure.data }
  return msgpack.encode_list(RESPONSE, id, told, nil)
end

local function encode_answer(name, id, ok, result)
  if not ok then return encode_failure(id, result) end
  local encoded <const>, bytes <const> = pcall(msgpack.encode_list, RESPONSE, id, nil, result)
  if encoded then return bytes end
  log.error("what a method returned cannot be sent", { method = name, reason = bytes })
  return encode_failure(id, fault.new(fault.codes.INTERNAL, "internal error"))
end

-- Requests.

local function is_id(id)
  return math.type(id) == "integer" and id >= 0 and id <= ID_MAX
end

--- Why this is no request; nil when it is one.
local function problem_of(kind, id, name, parameters)
  if kind == NOTIFICATION then id, name, parameters = 0, id, name end
  if kind ~= REQUEST and kind ~= NOTIFICATION then return "a message begins with 0 or 2" end
  if not is_id(id) then return "the id of a message is an integer from 0 to 4294967295" end
  if type(name) ~= "string" then return "the name of a method is a string" end
  if type(parameters) ~= "table" then return "the parameters of a method are an array" end
end

local function call(self, name, parameters)
  if type(next(parameters)) == "string" then return self.service:call(name, nil, parameters) end
  return self.service:call(name, parameters)
end

local function perform(self, kind, id, name, parameters)
  if kind == NOTIFICATION then return call(self, id, name) end
  return self.output:write(encode_answer(name, id, call(self, name, parameters)))
end

--- What is no request ends the connection; the peer is told why.
local function refuse(self, why, id)
  self.ended = true
  self.turn:wake(math.huge)
  self.output:write(encode_failure(is_id(id) and id or nil, fault.new(fault.codes.INVALID_REQUEST, why)))
end

local function finish(self, message, code)
  if code == "protocol" or code == "limit" then return refuse(self, message) end
  self.ended = true
  self.turn:wake(math.huge)
end

--- Somebody reads on while this task runs a method that may wait.
local function have_reader(self)
  if self.spare > 0 then
    self.turn:wake()
  elseif self.tasks < self.calls then
    self.tasks, self.spare = self.tasks + 1, 1
    self.group:spawn(self.run, self, true)
  end
end

local function take(self, kind, id, name, parameters)
  self.reader = nil
  if kind == nil then return finish(self, id, name) end
  local why <const> = problem_of(kind, id, name, parameters)
  if why then return refuse(self, why, id) end
  have_reader(self)
  return perform(self, kind, id, name, parameters)
end

--- One task stands by; others have nothing to do: false.
local function stand_by(self)
  if self.spare > 0 then return false end
  self.spare = 1
  self.turn:wait()
  self.spare = 0
  return true
end

--- A task: reads, and calls what it has read.
---@param is_spare boolean? it was spawned to stand by
function Session:run(is_spare)
  if is_spare then self.spare = 0 end
  local token <close> = setmetatable({}, { __close = function(token)
    self.tasks = self.tasks - 1
    if self.reader == token then self.reader = nil end
    self.turn:wake()
  end })
  while not self.ended do
    if not self.reader then
      self.reader = token
      take(self, self.messages:next())
    elseif not stand_by(self) then
      return
    end
  end
end

local function serve_connection(service, conn, options)
  conn.timeout = options.idle_timeout
  local session <const> = setmetatable({
    service = service, calls = options.calls or CALLS, tasks = 1, spare = 0, ended = false, turn = core.waitlist(),
    messages = msgpack.reader(conn, { list = true, limit = options.limit }), output = writer.new(conn),
  }, Session)
  core.group(function(group)
    session.group = group
    session:run()
  end)
end

--- Serves a service's methods. Requests of one connection are taken as they come, and run side by side as soon as one of
--- them waits; answers go out as they are ready. What a method spawns lives as long as its connection. An error is
--- { code, message, data } there.
---
--- Options: calls (of one connection that run at a time, default 100; more wait unread), limit (bytes of one message,
--- default 1 MiB), idle_timeout (seconds that a client may be silent, default for ever), server (options of net.serve).
---@param service perigee.rpc.Service
---@param urls string|string[]
---@param options { calls: integer?, limit: integer?, idle_timeout: number?, server: table? }?
---@return perigee.Server? server
---@return string? message
---@return string? code
function M.serve(service, urls, options)
  options = options or {}
  return net.serve(urls, function(conn) serve_connection(service, conn, options) end, options.server)
end

return M
