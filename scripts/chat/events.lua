--- What an event of another process must look like: whoever can publish on the bus can say anything.

local text <const> = require "chat.text"

local M <const> = {}

local function is_line(value, longest)
  return text.is_clean(value) and #value <= longest
end

--- The last lines of those that were told before.
local function are_lines(event, settings)
  local lines <const> = event.lines
  if type(lines) ~= "table" then return false end
  event.lines = table.move(lines, math.max(1, #lines - settings.history + 1), #lines, 1, {})
  for _, line in ipairs(event.lines) do
    if not is_line(line, settings.longest) then return false end
  end
  return true
end

local function are_here(here)
  if type(here) ~= "table" then return false end
  for _, place in ipairs(here) do
    if type(place) ~= "table" or not text.is_room(place[1]) or not text.is_name(place[2]) then return false end
  end
  return true
end

local function is_said(event, settings)
  return text.is_room(event.room) and is_line(event.line, settings.longest)
end

local function is_said_of_one(event, settings)
  return is_said(event, settings) and text.is_name(event.name)
end

local checks <const> = {
  ask = function() return true end,
  here = function(event) return are_here(event.here) end,
  history = function(event, settings) return text.is_room(event.room) and are_lines(event, settings) end,
  say = is_said,
  come = is_said_of_one,
  go = is_said_of_one,
  rename = function(event, settings) return is_said_of_one(event, settings) and text.is_name(event.old) end,
}

--- Can it happen here? Of a history that is too long the beginning is taken away.
---@param event table
---@param settings { history: integer, longest: integer } lines, and bytes of one
---@return boolean
function M.check(event, settings)
  local check <const> = checks[event.kind]
  return check ~= nil and check(event, settings)
end

return M
