--- One address of a server: its sockets, how they are opened, and how a reload hands them to newer code.

local targets <const> = require "perigee.server.targets"

---@class perigee.server.Endpoint
---@field target perigee.server.Target
---@field protocol perigee.server.Protocol
---@field kind "stream"|"http"|"datagram" what its sockets are
---@field address perigee.Address where it listens
---@field service string? whose it is
---@field sockets any[] listeners, or a datagram socket
---@field occurrence integer the first, second ... at its place: where the system chooses the port there may be several
---@field is_alone boolean where there are workers, the first serves it alone
---@field is_aside boolean its service is being loaded: nothing is served by it yet
---@field source perigee.server.Endpoint? of the version before, whose place it takes
---@field supply perigee.server.Supply? who has given its sockets
---@field claimed_by table? the loading version that is to have it
local Endpoint <const> = {}
Endpoint.__index = Endpoint

local SILENCE <const> = 5 -- seconds, for idle clients of HTTP whose protocol is served no more

local function merge(options, more)
  local merged <const> = {}
  for name, value in pairs(options or {}) do merged[name] = value end
  for name, value in pairs(more or {}) do merged[name] = value end
  return merged
end

local function close_all(sockets)
  for _, socket in ipairs(sockets) do socket:close() end
end

--- Opens one socket at an address or a descriptor. Aside, it takes nobody until begin.
local function open_socket(self, at, options)
  local is_listener <const> = self.kind ~= "datagram"
  local given <const> = self.is_aside and is_listener and merge(options, { paused = true }) or options
  local socket <const>, message <const>, code <const> = self.protocol.open(at, given)
  if not socket then return nil, message, code end
  table.insert(self.sockets, socket)
  return socket
end

--- What of the descriptors has not become a socket is closed.
local function open_supplied(self)
  local options <const> = merge(self.target.options, self.supply.options)
  local _ <close> = setmetatable({}, { __close = function() close_all(self.supply.descriptors) end })
  for _, descriptor in ipairs(self.supply.descriptors) do
    local socket <const>, message <const>, code <const> = open_socket(self, descriptor, options)
    if not socket then return nil, message, code end
  end
  if self.supply.opened then self.supply.opened(self.sockets) end
  return true
end

--- Opens its sockets: those that somebody supplies, or one of its own.
---@param supplier (fun(endpoint: perigee.server.Endpoint): perigee.server.Supply?, string?, string?)?
---@return true?
---@return string? message
---@return string? code
function Endpoint:open(supplier)
  local target <const> = self.target
  local opened, message, code
  if supplier and not targets.is_descriptor(target.at) then
    self.supply, message, code = supplier(self)
    if not self.supply and message then return nil, message, code end
  end
  if self.supply then
    opened, message, code = open_supplied(self)
  else
    opened, message, code = open_socket(self, target.at, target.options)
  end
  if not opened then
    close_all(self.sockets)
    return nil, message, code
  end
  self.address = self.sockets[1].address
  if not self.is_aside then self:begin() end
  return true
end

--- Begins to serve: what has waited since the sockets were opened, and what comes.
function Endpoint:begin()
  local is_paused <const> = self.target.options.paused or self.supply and (self.supply.options or {}).paused
  for _, socket in ipairs(self.sockets) do self.protocol.begin(socket, is_paused) end
end

--- Another protocol on the sockets that are there: on duplicates, so that both can be undone.
local function open_duplicates(self, source)
  local supplied <const> = source.supply and source.supply.options or {}
  if supplied.paused then
    return nil, ("listen on %s: another protocol is served there, which takes a restart with these workers"):format(
      tostring(source.address)), "protocol"
  end
  for _, socket in ipairs(source.sockets) do
    local descriptor, message, code = socket:duplicate()
    local opened = descriptor
    if descriptor then
      opened, message, code = open_socket(self, descriptor, merge(self.target.options, supplied))
    end
    if not opened then
      close_all(self.sockets)
      return nil, message, code
    end
  end
  return true
end

--- Prepares to take the place of an endpoint of the version before: nothing changes for that until take_over.
---@param source perigee.server.Endpoint
---@param claimant table
---@return true?
---@return string? message
---@return string? code
function Endpoint:claim(source, claimant)
  if source.kind == self.kind then
    self.protocol.check(self.target.at, self.target.options)
  else
    local opened <const>, message <const>, code <const> = open_duplicates(self, source)
    if not opened then return nil, message, code end
  end
  self.source, source.claimed_by = source, claimant
  self.address, self.supply = source.address, source.supply
  return true
end

--- Has its source still got what it is to take over?
---@return boolean
function Endpoint:can_take_over()
  for _, socket in ipairs(self.source and self.source.sockets or {}) do
    if not socket.is_open then return false end
  end
  return true
end

local function take_sockets(self, source, scope)
  for _, socket in ipairs(source.sockets) do
    socket:replace(self.protocol.handler, self.target.options, scope, self.target.at)
  end
  self.sockets = source.sockets
end

--- Serves the clients that come from now on, in the place of its source or of nobody. Nothing in it waits.
---@param scope perigee.Scope of the handlers' tasks
function Endpoint:take_over(scope)
  local source <const> = self.source
  self.is_aside, self.source = false, nil
  if not source then return self:begin() end
  if source.kind == self.kind then
    take_sockets(self, source, scope)
  else
    for _, socket in ipairs(source.sockets) do socket:drain(SILENCE, true) end
    if self.supply and self.supply.opened then self.supply.opened(self.sockets) end
    self:begin()
  end
  if targets.is_descriptor(self.target.at) then
    self.target.at:close()
  elseif self.supply and self.supply.taken then
    self.supply.taken(self)
  end
  self.address = self.sockets[1].address
  source.sockets = {}
end

--- It will not be taken over.
function Endpoint:give_up()
  if self.source then self.source.claimed_by = nil end
  close_all(self.sockets)
  self.source, self.sockets = nil, {}
end

local M <const> = {}

---@param target perigee.server.Target
---@param protocol perigee.server.Protocol
---@param service string?
---@param occurrence integer
---@param is_aside boolean
---@return perigee.server.Endpoint
function M.new(target, protocol, service, occurrence, is_aside)
  return setmetatable({ target = target, protocol = protocol, kind = protocol.kind(target.at), sockets = {},
    service = service, occurrence = occurrence, is_aside = is_aside }, Endpoint)
end

return M
