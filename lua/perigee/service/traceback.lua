--- Tracebacks of scripts, without what the library does around them.

local core <const> = require "core.task"
local watchdog <const> = require "core.watchdog"

local M <const> = {}

local function is_ours(line)
  return line:find "^%s*%[C%]: " or line:find "^%s*%(%.%.%.tail calls%.%.%.%)" or line:find "^%s*perigee/"
    or line:find "/lua/perigee/[%w_/]+%.lua:%d+: "
end

--- The lines from the first to the last one of the script; all, when there is none.
local function trim(lines)
  local first, last = 1, #lines
  while first <= last and is_ours(lines[first]) do first = first + 1 end
  while last >= first and is_ours(lines[last]) do last = last - 1 end
  if first > last then return lines end
  return table.move(lines, first, last, 1, {})
end

--- An error that was raised in C, and says no place, gets that of the script's function that has called there; but for
--- one that error has raised without a place, which was somebody's will.
local function with_place(message, raised, first)
  local place <const> = first and first:match "^%s*([^:]+:%d+): "
  if not place or raised and raised:find "'error'$" or message:find "^[^%s:]+:%d+: " then return message end
  return place .. ": " .. message
end

--- A message handler for xpcall: the error value with its traceback, from the script on. An interruption passes.
---@param value any
---@return { message: string, traceback: string }|userdata
function M.handler(value)
  if core.is_interruption(value) then return value end
  local lines <const> = {}
  for line in debug.traceback("", 2):gmatch "\n(\t[^\n]+)" do lines[#lines + 1] = line end
  local own <const> = trim(lines)
  return { message = with_place(tostring(watchdog.explain(value)), lines[1], own[1]),
    traceback = "stack traceback:\n" .. table.concat(own, "\n") }
end

return M
