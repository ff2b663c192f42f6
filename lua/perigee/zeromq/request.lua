--- Request and reply: REP answers, REQ asks.

local core <const> = require "core.task"
local log <const> = require "perigee.log"
local sockets <const> = require "perigee.zeromq.socket"
local wire <const> = require "perigee.zeromq.wire"

local SECONDS <const> = 30 -- default time of a request

local M <const> = {}

-- REP.

---@class perigee.zeromq.Rep: perigee.zeromq.Socket
---@field package handler fun(...: string): string, ...
---@field package failed string
local Rep <const> = sockets.class "REP"

--- What leads back to who has asked, up to an empty part; and the request behind it. nil: it has none.
local function split(parts)
  for index, part in ipairs(parts) do
    if part == "" then
      return table.move(parts, 1, index, 1, {}), table.move(parts, index + 1, #parts, 1, {})
    end
  end
end

--- The parts of a reply; nil when there is none, which is in the log.
local function answer(self, request)
  local function reported(failure)
    if core.is_interruption(failure) then return failure end
    log.failure("zeromq: a request could not be answered", { reason = tostring(failure),
      traceback = debug.traceback("", 2):gsub("^\n", "") })
  end
  local result <const> = table.pack(xpcall(self.handler, reported, table.unpack(request)))
  if not result[1] then
    if core.is_interruption(result[2]) then error(result[2], 0) end
    return
  end
  for index = 2, result.n do
    if type(result[index]) ~= "string" then
      return log.failure("zeromq: a reply must be of strings", { part = index - 1, type = type(result[index]) })
    end
  end
  return table.move(result, 2, result.n, 1, {})
end

--- One request after the other. One whose handler fails is answered, too: a REQ socket of libzmq waits for its reply
--- for ever, even when the connection ends.
function Rep:run(peer)
  while true do
    local kind <const>, value <const>, code <const> = peer:read(self.limit)
    if not kind then return nil, value, code end
    if kind == "message" then
      local path <const>, request <const> = split(value)
      if not path then return nil, "a request without an empty part before it", "protocol" end
      if #request == 0 then return nil, "a request without parts", "protocol" end
      local reply <const> = answer(self, request) or { self.failed }
      if #reply == 0 then reply[1] = "" end
      peer.conn:write(wire.message(table.move(reply, 1, #reply, #path + 1, path)))
    end
  end
end

--- A socket that answers: handler(part, ...) gets the parts of a request, and returns those of the reply. It runs in a
--- task for each peer. When it raises, or returns what is no string, that is logged, and the reply is the option
--- `failed`. When the task is interrupted, as the service stops, the connection ends without a reply.
---@param handler fun(...: string): string, ...
---@param options { limit: integer?, failed: string? }? limit: bytes of a request, default 16 MiB; failed: the reply to
--- a request whose handler has failed, default ""
---@return perigee.zeromq.Rep
function M.rep(handler, options)
  if type(handler) ~= "function" then error("bad argument 'handler' (a function expected)", 2) end
  local given <const> = sockets.check(options, { limit = true, failed = true })
  if given.failed ~= nil and type(given.failed) ~= "string" then error("option 'failed' must be a string", 2) end
  return sockets.new(Rep, "REP", { "REQ", "DEALER" },
    { handler = handler, limit = given.limit, failed = given.failed or "" })
end

-- REQ.

---@class perigee.zeromq.Req: perigee.zeromq.Socket
---@field package turns perigee.zeromq.Peer[] those that are free, whose turn is next first
local Req <const> = sockets.class "REQ"

--- Replies are handed to who waits for them; what nobody has asked for is dropped.
function Req:run(peer)
  peer.wake = core.waitlist()
  table.insert(self.turns, peer)
  self.changed:wake()
  while true do
    local kind <const>, value <const>, code <const> = peer:read(self.limit)
    if not kind then return nil, value, code end
    if kind == "message" and value[1] == "" and peer.is_asked then
      peer.is_asked = false
      peer.reply = table.move(value, 2, #value, 1, {})
      peer.wake:wake()
    end
  end
end

function Req:on_left(peer)
  peer.has_left = true
  for index, free in ipairs(self.turns) do
    if free == peer then table.remove(self.turns, index) end
  end
  peer.wake:wake()
end

local function take_peer(self, until_)
  while #self.turns == 0 do
    if not self.is_open then return nil, "request: the socket is closed", "closed" end
    if not self.changed:wait(math.max(until_ - core.now(), 0)) then
      return nil, "request: nobody is connected in time", "timeout"
    end
  end
  return table.remove(self.turns, 1)
end

--- A peer is free again once its reply has come. One that owes it would give it to the next request: it is left.
local function give_back(self, peer)
  if peer.has_left then return end
  if not peer.is_done then return peer.conn:close() end
  peer.is_done = nil
  table.insert(self.turns, peer)
  self.changed:wake()
end

local function exchange(self, peer, parts, until_)
  local _ <close> = setmetatable({}, { __close = function() give_back(self, peer) end })
  peer.is_asked = true
  peer.conn:write(wire.message(table.move(parts, 1, #parts, 2, { "" })))
  while not peer.reply and not peer.has_left do
    if not peer.wake:wait(math.max(until_ - core.now(), 0)) then return nil, "request: no reply in time", "timeout" end
  end
  local reply <const> = peer.reply
  peer.reply = nil
  if not reply then return nil, "request: the connection has ended before the reply", "closed" end
  peer.is_done = true
  return table.unpack(reply)
end

--- Sends a request and waits for the reply. Each peer has one request at a time, several take turns; further requests
--- wait.
---@param seconds number? at most, default 30
---@param ... string parts
---@return string? ... the parts of the reply
---@return string? message
---@return string? code "timeout" "closed"
function Req:request_within(seconds, ...)
  local parts <const> = sockets.methods.parts(...)
  local until_ <const> = core.now() + (seconds or SECONDS)
  local peer <const>, message <const>, code <const> = take_peer(self, until_)
  if not peer then return nil, message, code end
  return exchange(self, peer, parts, until_)
end

--- The same within 30 seconds.
---@param ... string parts
---@return string? ... the parts of the reply
---@return string? message
---@return string? code
function Req:request(...)
  return self:request_within(SECONDS, ...)
end

--- A socket that asks.
---@param options { limit: integer? }? limit: bytes of a reply, default 16 MiB
---@return perigee.zeromq.Req
function M.req(options)
  local given <const> = sockets.check(options, { limit = true })
  return sockets.new(Req, "REQ", { "REP", "ROUTER" }, { turns = {}, limit = given.limit })
end

return M
