--- Tracebacks of scripts, without what the library does around them.

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

--- A message handler for xpcall: the error value with its traceback, from the script on. An interruption passes.
---@param value any
---@return { message: string, traceback: string }|userdata
function M.handler(value)
  if type(value) == "userdata" then return value end
  local lines <const> = {}
  for line in debug.traceback("", 2):gmatch "\n(\t[^\n]+)" do lines[#lines + 1] = line end
  return { message = tostring(watchdog.explain(value)), traceback = "stack traceback:\n" .. table.concat(trim(lines), "\n") }
end

return M
