--- MessagePack-RPC over streams (github.com/msgpack-rpc/msgpack-rpc, spec.md): the server's side.

local checked <const> = require "perigee.rpc.options"
local core <const> = require "core.task"
local fault <const> = require "perigee.rpc.fault"
local log <const> = require "perigee.log"
local misuse <const> = require "perigee.misuse"
local msgpack <const> = require "perigee.codec.msgpack"
local net <const> = require "perigee.net"
local sendable <const> = require "perigee.rpc.sendable"
local served <const> = require "perigee.rpc.served"

local REQUEST <const>, RESPONSE <const>, NOTIFICATION <const> = 0, 1, 2
local ID_MAX <const> = 0xffffffff
local SKIPPED <const> = msgpack.null
local CALLS <const> = 100                      -- default limit of calls of one connection that run at a time

--- What the caller is told when the task was killed that ran its call.
local INTERRUPTED <const> = fault.new(fault.codes.INTERNAL, "the call was interrupted")

local M <const> = {}

--- A connection that calls methods. Its tasks take turns at reading: the one that has read a request runs it, while
--- another stands by to go on should it wait. So calls that do not wait cost no task.
---@class perigee.rpc.msgpack.Session
---@field service perigee.rpc.Service
---@field invoke function of it
---@field conn perigee.Connection
---@field messages perigee.Reader
---@field is_full boolean an answer found more queued than the connection is to queue
---@field group perigee.Scope of its tasks
---@field tasks integer
---@field calls integer tasks that there may be
---@field reader any the token of the task that reads
---@field other "waits"|"comes"|nil the task that stands by
---@field standing any the token of the task that stands by
---@field turn perigee.Waitlist of that task
---@field ended boolean nothing more is read
---@field is_retiring boolean it ends as soon as no call is under way
local Session <const> = {}
Session.__index = Session

-- Answers.

local function fail(self, id, failure)
  local told <const> = { code = failure.code, message = failure.message, data = failure.data }
  local has_room <const>, message <const> = msgpack.write_list(self.conn, RESPONSE, id, told, nil)
  if has_room ~= nil or not told.data then return has_room, message end
  fault.drop_data(message)
  return msgpack.write_list(self.conn, RESPONSE, id, { code = failure.code, message = failure.message }, nil)
end

local function check_sendable(value)
  msgpack.encode(value)
  return value
end

--- What could not be sent as it was.
local function answer_otherwise(self, id, name, result)
  local mended <const>, wrong <const> = sendable(name, result, check_sendable)
  if wrong then return fail(self, id, wrong) end
  return (msgpack.write_list(self.conn, RESPONSE, id, nil, mended))
end

local function answer(self, id, name, ok, result)
  if not ok then return fail(self, id, result) end
  local has_room <const>, _ <const>, code <const> = msgpack.write_list(self.conn, RESPONSE, id, nil, result)
  if code ~= "protocol" then return has_room end
  return answer_otherwise(self, id, name, result)
end

-- Requests.

--- Somebody comes to read on, should the method that this task is about to run wait.
local function call_other(self)
  if self.other == "waits" then
    self.turn:wake()
  elseif self.tasks < self.calls then
    self.tasks = self.tasks + 1
    self.group:spawn(self.run, self, true)
  else
    return
  end
  self.other = "comes"
end

local function finish(self)
  self.ended = true
  self.turn:wake(math.huge)
end

--- What is no message of MessagePack-RPC ends the connection; the peer is told why.
local function refuse(self, why)
  finish(self)
  fail(self, nil, fault.new(fault.codes.INVALID_REQUEST, why))
end

--- Is a call under way in a task other than this one?
local function is_calling(self)
  return self.tasks - 1 - (self.reader and 1 or 0) - (self.other and 1 or 0) > 0
end

--- The process is about to stop: who has calls under way makes others meanwhile, and those are answered too.
local function retire(self)
  if not is_calling(self) then return finish(self) end
  self.is_retiring = true
  self.conn:retire(false)
end

--- A message that is whole, but has in it what Lua has not: who has called is told, and it goes on.
local function pass_over(self, message, kind, id, name)
  if kind == REQUEST and math.type(id) == "integer" and id >= 0 and id <= ID_MAX then
    local code <const> = type(name) == "string" and fault.codes.INVALID_PARAMETERS or fault.codes.INVALID_REQUEST
    if fail(self, id, fault.new(code, message)) == false then self.is_full = true end
  elseif kind == NOTIFICATION and type(id) == "string" then -- its method
    log.refusal("a notification was dropped", { peer = tostring(self.conn.peer), reason = message })
  else
    refuse(self, message)
  end
end

local function end_with(self, kind, message, code)
  if kind ~= nil or type(message) ~= "string" then return refuse(self, "a message begins with 0 or 2") end
  if code == "protocol" or code == "limit" then return refuse(self, message) end
  if self.conn.is_retiring then return retire(self) end
  return finish(self)
end

local function take(self, token, kind, id, name, ...)
  self.reader = nil
  if self.other ~= "comes" then call_other(self) end
  if kind == REQUEST then
    token.id = id
    if answer(self, id, name, self.invoke(self.service, name, ...)) == false then self.is_full = true end
    token.id = nil
  elseif kind == NOTIFICATION then
    self.invoke(self.service, name, ...)
  elseif kind == SKIPPED then
    pass_over(self, id, ...)
  else
    end_with(self, kind, id, name)
  end
end

--- A peer that does not take its answers is not read.
local function wait_for_room(self)
  self.is_full = false
  self.conn:write ""
end

--- One task stands by; the others have nothing to do: false.
local function stand_by(self, token)
  if self.is_retiring and not is_calling(self) then self.conn:retire() end
  if self.other then return false end
  self.other, self.standing = "waits", token
  self.turn:wait()
  self.other, self.standing = nil, nil
  return true
end

--- A task: reads, and calls what it has read.
---@param is_other boolean? it was spawned to stand by
function Session:run(is_other)
  if is_other then self.other = nil end
  local token <close> = setmetatable({}, { __close = function(token)
    self.tasks = self.tasks - 1
    if self.reader == token then self.reader = nil end
    if self.standing == token then self.other = nil end
    if token.id then fail(self, token.id, INTERRUPTED) end
    self.turn:wake()
    if self.tasks == 0 then self.group:cancel() end -- what is left was spawned by methods
  end })
  local messages <const> = self.messages
  while not self.ended do
    if not self.reader then
      self.reader = token
      if self.is_full then wait_for_room(self) end
      take(self, token, messages:next())
    elseif not stand_by(self, token) then
      return
    end
  end
end

local function new_session(service, conn, options)
  conn.timeout = options.idle_timeout
  conn:retire_at_stop()
  return setmetatable({
    service = service, invoke = service.invoke, conn = conn, calls = options.calls or CALLS, tasks = 1,
    ended = false, is_full = false, is_retiring = false, turn = core.waitlist(),
    messages = msgpack.reader(conn, { list = "call", skip = true, limit = options.limit }),
  }, Session)
end

local function run(session)
  local _ <close> = served.follow(session.conn, "msgpack", function(service)
    session.service, session.invoke = service, service.invoke
  end)
  core.group(function(group)
    session.group = group
    session:run()
  end)
end

local function serve(service, urls, options)
  checked.check(options)
  local server <const>, message <const>, code <const> = net.serve(urls, function(conn)
    return run(new_session(service, conn, options)) -- of this nothing is left: it may be of old code soon
  end, options.server)
  if not server then return nil, message, code end
  served.note_server(server, service, "msgpack")
  return server
end

--- Serves a service's methods. Requests of one connection are taken as they come, and run side by side as soon as one
--- of them waits; answers go out as they are ready. A request in which there is what Lua has not, such as an
--- integer from 2^63 on, is answered by a fault. What a method spawns lives as long as its connection. An error is
--- { code, message, data } there. After a reload, connections call the methods of the newest version that is served at
--- their address; without one they end as all others. When the process stops, or another takes its place, a connection
--- is closed as soon as no call is under way on it.
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
  return misuse(pcall(serve, service, urls, options or {}))
end

return M
