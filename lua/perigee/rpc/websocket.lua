--- JSON-RPC 2.0 over WebSocket: the server's side.

local apps <const> = require "perigee.http.app"
local json <const> = require "perigee.rpc.json"
local served <const> = require "perigee.rpc.served"
local task <const> = require "perigee.task"
local writer <const> = require "perigee.rpc.writer"

local CALLS <const> = 100 -- default limit of calls of one socket that run at a time

local M <const> = { KEY = "websocket" --[[how it is noted what serves a service]] }

--- A socket that methods are called by.
---@class perigee.rpc.websocket.Session
---@field socket perigee.WebSocket
---@field service perigee.rpc.Service
---@field output perigee.rpc.Writer
---@field batch integer?
---@field calls integer that may run at a time
---@field under_way integer calls and batches that have not ended
---@field is_retiring boolean it ends as soon as none is under way
local Session <const> = {}
Session.__index = Session

--- A call, or a batch, has ended.
function Session:__close()
  self.under_way = self.under_way - 1
  if self.is_retiring and self.under_way == 0 then self.socket:retire() end
end

local function run(self, text, place)
  local _ <close> = place
  local _ <close> = self
  self.output:wait()
  local answer <const> = json.answer(self.service, text, self.batch)
  if answer then self.output:write(nil, answer) end
end

--- The process is about to stop: who has calls under way makes others meanwhile, and those are answered too.
local function goes_on(self)
  if not self.socket.is_retiring or self.under_way == 0 then return false end
  self.is_retiring = true
  self.socket:retire(false)
  return true
end

local function receive_all(self, group)
  local places <const> = task.semaphore(self.calls)
  repeat
    for text in self.socket:messages() do
      self.under_way = self.under_way + 1
      group:spawn(run, self, text, places:acquire())
    end
  until not goes_on(self)
end

local function serve(self, path)
  local _ <close> = served.follow(self.socket, M.KEY, function(service) self.service = service end, function(handler)
    return apps.handler_at(handler, "GET", path)
  end)
  task.group(function(group) receive_all(self, group) end)
end

--- What serves a socket: the texts that come, each a call or a batch, run side by side, and their answers go out as
--- they are ready. Options: calls (that run at a time, default 100; more wait unread), batch (calls of a batch, default
--- 1000). A client that does not take its answers is not read.
--- Calls that have begun run to their end also when the client has gone. After a reload, the methods are those of the
--- newest version that is served at the socket's address and path.
---@param service perigee.rpc.Service
---@param options { calls: integer?, batch: integer? }
---@return fun(socket: perigee.WebSocket, request: perigee.http.Request)
function M.handler(service, options)
  local calls <const>, batch <const> = options.calls or CALLS, options.batch
  return function(socket, request)
    local output <const> = writer.new(function(text) return socket:send(text) end)
    local session <const> = setmetatable({ socket = socket, service = service, output = output, batch = batch,
      calls = calls, under_way = 0, is_retiring = false }, Session)
    return serve(session, request.path) -- of this nothing is left: it may be of old code soon
  end
end

return M
