--- Accepting for the workers: each connection is passed to the worker that has the fewest, or to a process of its own.

local descriptor <const> = require "core.descriptor"
local listener <const> = require "core.listener"

local WAITING <const> = 64 -- connections that are accepted and have no worker yet; more wait in the kernel

local M <const> = {}

--- Of those that have room for it, the one with the fewest connections; among equals, each in turn.
local function choose(supervisor, entry)
  local chosen, least = nil, math.huge
  local slots <const>, first <const> = supervisor.slots, supervisor.turn + 1
  for i = first, first + #slots - 1 do
    local slot <const> = slots[i % #slots + 1]
    local load <const> = slot:has_room(entry) and slot:load() or math.huge
    if load < least then chosen, least, supervisor.turn = slot, load, i end
  end
  return chosen
end

--- Waits for a worker that takes it. One that dies meanwhile leaves it for the next.
local function pass(supervisor, entry, conn)
  local socket <close> = descriptor.of(conn)
  while socket and not supervisor.stopping do
    local slot <const> = choose(supervisor, entry)
    if slot and supervisor.mode == "process" then supervisor:spend(slot) end
    if slot and slot:pass(entry, socket, supervisor.mode ~= "shared") then return end
    if not slot then supervisor.changed:wait() end
  end
end

--- A socket of an entry becomes a listener that passes on what it accepts.
local function listen(supervisor, entry, number)
  local opened <const>, message <const>, code <const> = listener.listen(entry.held[number],
    function(conn) pass(supervisor, entry, conn) end, { keep_path = true, max_connections = WAITING })
  if not opened then return nil, message, code end
  entry.held[number] = opened
  return true
end

--- Accepts on the sockets of an entry, which become listeners.
---@param supervisor perigee.Supervisor
---@param entry perigee.supervisor.Entry
---@return true?
---@return string? message
---@return string? code "protocol": datagrams cannot be passed
function M.accept(supervisor, entry)
  if entry.url:find "^udp:" then
    if supervisor.mode == "balance" then return true end
    return nil, ("listen on %s: datagrams cannot be served by a process for each client"):format(entry.url), "protocol"
  end
  for number in pairs(entry.held) do
    local opened <const>, message <const>, code <const> = listen(supervisor, entry, number)
    if not opened then return nil, message, code end
  end
  return true
end

--- Accepts what comes to a socket of a worker's own, which may be a listener already.
local function accept_for(supervisor, entry, number)
  local socket <const> = entry.held[number]
  if socket.pause then socket:pause(false) else listen(supervisor, entry, number) end
end

--- Calls f(entry, number, socket) for the sockets that are a worker's own, but for those of UDP, and those that the
--- first worker serves alone: its clients have nobody else, and wait for it.
local function each_own(supervisor, worker, f)
  local listeners <const> = supervisor.listeners
  for _, entry in pairs(listeners.entries) do
    local is_own <const> = not entry.shared and not entry.alone and not entry.url:find "^udp:"
    for number, socket in pairs(is_own and entry.held or {}) do
      if listeners:owner_of(number) == worker then f(entry, number, socket) end
    end
  end
end

--- While a worker cannot be started, the others get the clients who wait for it.
---@param supervisor perigee.Supervisor
---@param worker integer
function M.lend(supervisor, worker)
  each_own(supervisor, worker, function(entry, number) accept_for(supervisor, entry, number) end)
end

--- It is started again, and accepts its clients itself.
---@param supervisor perigee.Supervisor
---@param worker integer
function M.reclaim(supervisor, worker)
  each_own(supervisor, worker, function(_, _, socket)
    if socket.pause then socket:pause() end
  end)
end

--- Where the first worker serves an entry alone, the kernel may still choose sockets that are others': clients are
--- accepted here and passed on, and datagrams' sockets are closed; but what it has got itself, it accepts.
local function settle_other(supervisor, entry, number, socket)
  local owner <const> = supervisor.slots[supervisor.listeners:owner_of(number)]
  local is_given <const> = entry.given and entry.given[number]
  if not entry.alone or is_given then
    if socket.pause and (is_given or owner.state ~= "waiting") then socket:pause() end
  elseif not entry.url:find "^udp:" then
    accept_for(supervisor, entry, number)
  elseif not owner:has(entry) then -- it is not being prepared to serve it
    socket:close()
    entry.held[number] = nil
  end
end

--- An entry is asked for now by versions that the first worker serves alone, or is no more.
---@param supervisor perigee.Supervisor
---@param entry perigee.supervisor.Entry
function M.settle(supervisor, entry)
  if entry.shared then return end
  local others <const> = {}
  for number, socket in pairs(entry.held) do
    if supervisor.listeners:owner_of(number) ~= 1 then others[number] = socket end
  end
  for number, socket in pairs(others) do settle_other(supervisor, entry, number, socket) end
end

--- Accepts nothing any more, and waits until what is accepted has been passed on. The sockets stay open: workers that
--- are being started for what waits ask for them.
---@param supervisor perigee.Supervisor
---@param seconds number at most
function M.stop(supervisor, seconds)
  for _, entry in pairs(supervisor.listeners.entries) do
    for _, socket in pairs(entry.held) do
      if socket.await then
        socket:pause()
        socket:await(1, seconds)
      end
    end
  end
end

return M
