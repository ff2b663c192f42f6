--- What keeps a script from taking its process away from the others: the watchdog, and the limit of memory.

local log <const> = require "perigee.log"
local machine <const> = require "perigee.service.machine"
local watchdog <const> = require "core.watchdog"

local M <const> = {}

local MOST <const> = 1024 * 1024 * 1024 -- bytes: what is more, is asked for by name
local LEAST <const> = 64 * 1024 * 1024 -- bytes that a process gets on a machine with little memory

local function log_slow(seconds, traceback, of, stopped)
  local message <const> = ("a task ran for %.2f s without yielding"):format(seconds)
  local logs <const> = log.of(of and of.name or "perigee")
  logs.warn(stopped and message .. ": it was stopped" or message, { traceback = traceback })
end

--- Bytes that a process may have: what was given; or 1 GiB, and less where half of what there is, divided by the
--- workers, is less.
---@param arguments { memory: integer?, workers: integer? } memory 0: no limit
---@return integer? nil: no limit
function M.memory_limit(arguments)
  if arguments.memory then return arguments.memory > 0 and arguments.memory or nil end
  local all <const> = machine.memory()
  return all and math.min(MOST, math.max(LEAST, all // 2 // (arguments.workers or 1)))
end

--- Guards this process from now on.
---@param arguments { warn_after: number, stop_after: number, log: "text"|"json", memory: integer?, workers: integer? }
---@param report integer? a descriptor that is told when the loop is silent, in place of the log
function M.start(arguments, report)
  watchdog.on_slow(log_slow)
  local started <const>, message <const> = watchdog.start { warn = arguments.warn_after, stop = arguments.stop_after,
    log = arguments.log, report = report }
  if not started then log.warn("scripts are not watched", { reason = message }) end
  watchdog.limit_memory(M.memory_limit(arguments))
end

return M
