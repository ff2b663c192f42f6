--- Accepting for the workers: each connection is passed to the worker that has the fewest, or to a process of its own.

local descriptor <const> = require "core.descriptor"
local listener <const> = require "core.listener"
local per_client <const> = require "perigee.supervisor.per_client"

local WAITING <const> = 64 -- connections that are accepted and have no worker yet; more wait in the kernel

local M <const> = {}

--- Of the processes that have room for it, the one with the fewest connections; among equals, each in turn.
local function choose(supervisor, entry)
  local chosen, least = nil, math.huge
  local slots <const>, first <const> = supervisor.slots, supervisor.turn + 1
  for i = first, first + #slots - 1 do
    local process <const> = slots[i % #slots + 1]:serving()
    local load <const> = process and process:has_room(entry) and process.deliveries:load() or math.huge
    if load < least then chosen, least, supervisor.turn = process, load, i end
  end
  return chosen
end

--- Waits for a worker that takes it. One that dies meanwhile leaves it for the next.
local function pass(supervisor, entry, conn)
  local socket <close> = descriptor.of(conn)
  while socket and not supervisor.stopping do
    local process <const> = choose(supervisor, entry)
    if process and supervisor.mode == "process" then per_client.spend(supervisor, process.slot) end
    if process and process.deliveries:pass(entry, socket, supervisor.mode ~= "shared") then return end
    if not process then supervisor.changed:wait() end
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

--- Does a worker get the clients of a socket that is its own by way of this process? One that rests cannot accept
--- them; and where the first worker serves alone, the kernel may still choose sockets of others.
local function is_ours(entry, owner)
  if entry.alone then return owner.number ~= 1 end
  return owner:state() == "waiting"
end

local function settle_stream(supervisor, entry, number, owner)
  local socket <const>, is_meant <const> = entry.held[number], is_ours(entry, owner)
  if socket.pause then
    socket:pause(not is_meant)
  elseif is_meant then
    listen(supervisor, entry, number)
  end
end

--- Datagrams cannot be passed: a socket that nobody reads is closed, unless it is one for a version that is being
--- loaded, which will.
local function settle_datagrams(entry, number, owner)
  local is_had <const> = owner.process and owner.process.deliveries:has(entry)
  if not entry.alone or owner.number == 1 or is_had then return end
  entry.held[number]:close()
  entry.held[number] = nil
end

local function settle_entry(supervisor, entry)
  for number in pairs(entry.held) do
    local owner <const> = supervisor.slots[supervisor.listeners:owner_of(number)]
    if entry.url:find "^udp:" then
      settle_datagrams(entry, number, owner)
    else
      settle_stream(supervisor, entry, number, owner)
    end
  end
end

--- Where each worker has sockets of its own, this sees to it that somebody accepts what comes to each. To be called
--- whenever a worker begins or ends to rest, and when an entry is served by others, or alone. It does nothing before
--- this supervisor has taken the place of another, and after it has given that up.
---@param supervisor perigee.Supervisor
function M.settle(supervisor)
  if supervisor.mode ~= "shared" or supervisor.predecessor then return end
  if supervisor.stopping or supervisor.handed_over then return end
  for _, entry in pairs(supervisor.listeners.entries) do
    if not entry.shared then settle_entry(supervisor, entry) end
  end
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
