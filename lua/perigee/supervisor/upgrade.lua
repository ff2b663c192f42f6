--- Upgrades: a supervisor starts the binary that is at its path now, with the same arguments, and hands all sockets
--- over. Both have them for a while, so that no client is turned away. The old one goes on when the new one fails.

local connected <const> = require "perigee.process.connected"
local core <const> = require "core.task"
local inherited <const> = require "perigee.process.inherited"
local process <const> = require "core.process"
local system <const> = require "core.system"

local VARIABLE <const> = "PERIGEE_UPGRADE"
local VERSION <const> = 1        -- of the messages between the two
local READY_SECONDS <const> = 60

local M <const> = {}

--- The path of the binary that was started as argv[0], as a later start would find it.
---@param name string
---@return string
function M.program(name)
  if name:find "/" then return name end
  for directory in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    local path <const> = directory .. "/" .. name
    if system.file_kind(path) == "file" then return path end
  end
  return (process.executable())
end

-- The old supervisor's side.

local function send_all(supervisor, channel)
  local records <const>, sockets <const> = supervisor.listeners:export()
  channel:send { version = VERSION, records = records, tickets = supervisor.tickets }
  for i, socket in ipairs(sockets) do
    local sent <const>, message <const>, code <const> = channel:send_fd(socket)
    if not sent then return nil, ("hand over %s: %s"):format(records[i].key, message), code end
  end
  return true
end

local function outcome_text(child)
  local outcome <const> = child:wait(1)
  if not outcome then return "the new process says nothing any more" end
  if outcome.exit then return ("the new process has ended with status %d"):format(outcome.exit) end
  return ("the new process was ended by %s"):format(outcome.signal)
end

--- Waits for the word of the new supervisor.
local function wait_until_ready(supervisor, child)
  local sent <const>, message <const>, code <const> = send_all(supervisor, child.channel)
  if not sent then return nil, child:wait(1) and outcome_text(child) or message, code end
  local kind <const>, detail <const> = child.channel:receive()
  if kind == "ready" then return true end
  return nil, kind == "failed" and detail or outcome_text(child), "closed"
end

local function start_successor(supervisor)
  local environment <const> = supervisor.manager:for_successor()
  return connected.start({ supervisor.program, table.unpack(supervisor.argv) },
    { group = false, stdin = "inherit", environment = environment }, VARIABLE, "the new supervisor")
end

--- Starts the new supervisor, and waits until it serves.
---@param supervisor perigee.Supervisor
---@return integer? pid
---@return string? message
---@return string? code
function M.start(supervisor)
  local child <const>, why <const>, word <const> = start_successor(supervisor)
  if not child then return nil, why, word end
  local ready, message, code = core.deadline(READY_SECONDS, wait_until_ready, supervisor, child)
  if ready then
    child:detach(true)
    child.channel:close()
    return child.pid
  end
  if code == "timeout" then message = ("it was not ready within %d seconds"):format(READY_SECONDS) end
  child:close()
  return nil, "upgrade: " .. message, code
end

-- The new supervisor's side.

--- The supervisor whose place this process takes.
---@class perigee.supervisor.Predecessor
---@field tickets string
---@field records table[]
---@field channel perigee.process.Channel
local Predecessor <const> = {}
Predecessor.__index = Predecessor

--- Receives its sockets.
---@param listeners perigee.supervisor.Listeners
---@return true?
---@return string? message
---@return string? code
function Predecessor:take_sockets(listeners)
  for _, record in ipairs(self.records) do
    local socket <const>, message <const>, code <const> = self.channel:receive_fd { raw = true }
    if not socket then return nil, message, code end
    listeners.spares:add(socket, record)
  end
  return true
end

--- Tells it to go.
function Predecessor:tell_ready()
  self.channel:send "ready"
  self.channel:flush()
  self.channel:close()
end

--- Tells it why this process cannot take its place.
---@param message string
function Predecessor:tell_failed(message)
  self.channel:send("failed", message)
  self.channel:flush()
  self.channel:close()
end

--- The supervisor that has started this process to take its place.
---@return perigee.supervisor.Predecessor|false|nil predecessor false: there is none
---@return string? message
function M.take()
  local channel <const>, message <const> = inherited.open(VARIABLE, "the supervisor before")
  if not channel then return channel, message end
  local greeting <const>, why <const> = channel:receive()
  if not greeting then return nil, why end
  if greeting.version ~= VERSION then
    return nil, ("the supervisor before is of another kind (%s, not %d)"):format(greeting.version, VERSION)
  end
  return setmetatable({ channel = channel, records = greeting.records, tickets = greeting.tickets }, Predecessor)
end

return M
