--- What a supervisor says: in the log, and to `perigee status`.

local at_once <const> = require "perigee.supervisor.at_once"
local core <const> = require "core.task"
local log <const> = require "perigee.log"
local status <const> = require "perigee.service.status"
local system <const> = require "core.system"

local M <const> = {}

--- The scripts of a worker could not be loaded. What the others have failed with already is not said again.
---@param supervisor perigee.Supervisor
---@param slot perigee.supervisor.Slot
---@param outcome table how the worker ended
function M.failure(supervisor, slot, outcome)
  local failure <const> = slot.process and slot.process.failure
  if not failure then
    log.error("the worker ended before its scripts were loaded", { worker = slot.number, exit = outcome.exit,
      signal = outcome.signal, reason = outcome.reason })
  elseif not supervisor.shown[failure.message] then
    supervisor.shown[failure.message] = true
    log.of(failure.service).error(failure.message, { traceback = failure.traceback })
  end
end

--- Where the workers listen.
---@param supervisor perigee.Supervisor
function M.listening(supervisor)
  local names <const> = {}
  for _, entry in pairs(supervisor.listeners.entries) do names[#names + 1] = entry end
  table.sort(names, function(a, b) return a.key < b.key end)
  for _, entry in ipairs(names) do
    log.of(entry.service).info("listening", { address = entry.address,
      workers = entry.alone and 1 or supervisor.listeners.workers })
  end
end

local function state_of(supervisor)
  if supervisor.stopping then return "stopping" end
  if supervisor.upgrading then return "upgrading" end
  return supervisor.ready and "serving" or "loading"
end

--- What `perigee status` shows.
---@param supervisor perigee.Supervisor
---@param request { holders: boolean? }
---@return table
function M.status(supervisor, request)
  local workers <const> = at_once(supervisor.slots, function(slot) return slot:status(request) end)
  local own <const> = {}
  for _, entry in pairs(supervisor.listeners.entries) do
    own[#own + 1] = { service = entry.service, address = entry.address }
  end
  table.sort(own, function(a, b) return a.address < b.address end)
  return { pid = system.pid(), state = state_of(supervisor), mode = supervisor.mode,
    age = core.now() - supervisor.began, memory = status.memory_of(system.pid()), listeners = own,
    workers = workers }
end

return M
