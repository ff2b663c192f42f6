--- What all kinds of sockets have: peers that come and go, at addresses that are bound and at those that it connects
--- to.

local address <const> = require "core.address"
local checked <const> = require "perigee.options"
local core <const> = require "core.task"
local log <const> = require "perigee.log"
local misuse <const> = require "perigee.misuse"
local net <const> = require "perigee.net"
local peers <const> = require "perigee.zeromq.peer"
local service <const> = require "perigee.service"

local LIMIT <const> = 16 * 1024 * 1024                      -- default, bytes of a message
local FIRST_REST <const>, LONGEST_REST <const> = 0.1, 5     -- seconds between two attempts to connect

---@class perigee.zeromq.Socket
---@field kind string "REP", "REQ", "PUB", "XPUB", "SUB" or "XSUB"
---@field limit integer bytes of a message
---@field peers table<perigee.zeromq.Peer, true> with whom hands were shaken
---@field count integer of them
---@field changed perigee.Waitlist is woken when one comes, and at the end
---@field is_open boolean
---@field package partners table<string, true> kinds that it can talk to
---@field package servers perigee.Server[]
---@field package scope perigee.Scope of the tasks that connect
---@field package run fun(self, peer: perigee.zeromq.Peer): string?, string? reads a peer to its end
---@field package on_left (fun(self, peer: perigee.zeromq.Peer))?
local Socket <const> = {}

local function enter(self, peer)
  self.peers[peer] = true
  self.count = self.count + 1
  self.changed:wake(math.huge)
  return setmetatable({}, { __close = function()
    self.peers[peer] = nil
    self.count = self.count - 1
    if self.on_left then self:on_left(peer) end
  end })
end

--- A connection from its handshake to its end.
local function serve(self, conn)
  local peer <const>, message <const>, code <const> = peers.new(self, conn)
  if not peer then return nil, message, code end
  local _ <close> = enter(self, peer)
  return self:run(peer)
end

local function report(url, message, code)
  if code == "closed" or code == "reset" or code == nil then return end
  log.refusal("zeromq: a connection has ended", { peer = tostring(url), reason = message })
end

local function bind(self, urls, options)
  if not self.is_open then error("the socket is closed", 0) end
  local server <const>, message <const>, code <const> = net.serve(urls, function(conn)
    local _ <const>, why <const>, word <const> = serve(self, conn)
    report(conn.peer, why, word)
  end, options)
  if not server then return nil, message, code end
  self.servers[#self.servers + 1] = server
  return server
end

--- Serves an address, or several: tcp://, unix:, tls://. While a script is loaded, a failure raises.
---@param urls string|string[]
---@param options table? of net.serve
---@return perigee.Server?
---@return string? message
---@return string? code
function Socket:bind(urls, options)
  return misuse(pcall(bind, self, urls, options))
end

local function keep_connected(self, url, options)
  local rest = FIRST_REST
  while true do
    local conn <close>, message <const>, code <const> = net.connect(url, options)
    if conn then
      local began <const> = core.now()
      local _ <const>, why <const>, word <const> = serve(self, conn)
      report(url, why, word)
      if core.now() - began > LONGEST_REST then rest = FIRST_REST end
    else
      log.debug("zeromq: not connected", { peer = url, reason = message, code = code })
    end
    core.sleep(rest)
    rest = math.min(rest * 2, LONGEST_REST)
  end
end

local function connect(self, url, options)
  if type(url) ~= "string" then error("bad argument 'url' (a URL expected)", 0) end
  local parsed <const>, message <const> = address.parse(url)
  if not parsed then error(message, 0) end
  if not self.is_open then error("the socket is closed", 0) end
  self.scope:spawn(keep_connected, self, url, options)
end

--- Connects to an address, and again whenever the connection ends. Does not wait for it.
---@param url string
---@param options table? of net.connect
function Socket:connect(url, options)
  return misuse(pcall(connect, self, url, options))
end

--- Ends all its connections, and serves no longer. Closing twice does nothing.
function Socket:close()
  if not self.is_open then return end
  self.is_open = false
  for _, server in ipairs(self.servers) do server:close() end
  for peer in pairs(self.peers) do peer.conn:close() end
  self.scope:cancel()
  self.changed:wake(math.huge)
end

function Socket:tostring()
  return ("zeromq %s socket: %d peer%s"):format(self.kind, self.count, self.count == 1 and "" or "s")
end

--- What was given as a message: strings, one at least. Raises at the caller's caller.
---@param ... string
---@return string[] parts
function Socket.parts(...)
  local parts <const> = { ... }
  if #parts == 0 then error("a message has one part at least", 3) end
  for index = 1, select("#", ...) do
    if type(parts[index]) ~= "string" then
      error(("part %d of a message must be a string, not a %s"):format(index, type(parts[index])), 3)
    end
  end
  return parts
end

local M <const> = { methods = Socket }

--- A class of sockets, which is to have `run`.
---@param name string "REP"
---@return table class
function M.class(name)
  local class <const> = { __name = "perigee.zeromq." .. name, __tostring = Socket.tostring, __close = Socket.close,
    __gc = Socket.close }
  for key, value in pairs(Socket) do class[key] = value end
  class.__index = class
  return class
end

local function check(options, known)
  checked.check_names(options, known)
  local limit <const> = options.limit
  if limit ~= nil and not (math.type(limit) == "integer" and limit > 0) then
    error("option 'limit' must be a positive integer, not " .. tostring(limit), 0)
  end
end

--- Checks options: those in `known`, limit among them. Raises at the caller's caller.
---@param options table?
---@param known table<string, true>
---@param level integer? more functions up
---@return table
function M.check(options, known, level)
  options = options == nil and {} or options
  local ok <const>, why <const> = pcall(check, options, known)
  if not ok then error(why, 3 + (level or 0)) end
  return options
end

--- Makes a socket. It is closed when the version of the service that has made it ends.
---@param class table
---@param kind string
---@param partners string[] kinds that it can talk to
---@param fields table
---@return perigee.zeromq.Socket
function M.new(class, kind, partners, fields)
  local socket <const> = setmetatable(fields, class)
  socket.kind, socket.limit, socket.partners = kind, fields.limit or LIMIT, {}
  for _, partner in ipairs(partners) do socket.partners[partner] = true end
  socket.peers, socket.count, socket.servers, socket.is_open = {}, 0, {}, true
  socket.scope, socket.changed = core.scope(), core.waitlist()
  service.close_at_end(socket)
  return socket
end

return M
