--- Tasks: straight-line code that waits without blocking the others. Every task lives in a scope; when the scope's
--- owner ends, what it spawned is cancelled. See lua/types/core/task.lua for the functions that come from C.

local core <const> = require "core.task"

return {
  spawn = core.spawn,
  group = core.group,
  deadline = core.deadline,
  offload = core.offload,
  offload_options = core.offload_options,
  sleep = core.sleep,
  now = core.now,
  counts = core.counts,
  trim = core.trim,
  channel = require "perigee.task.channel",
  queue = require "perigee.task.queue",
  semaphore = require "perigee.task.semaphore",
}
