--- What is different in a new version of a script, and what a reload would change: for `perigee reload --dry-run`.

local outline <const> = require "perigee.service.outline"

---@class perigee.service.ChangedFunction
---@field path string
---@field name string "Client:join", "function at line 12", "main chunk", or "whole file"
---@field kind "changed"|"added"|"removed"
---@field line integer in the new text; of a removed one in the old text

local M <const> = { WHOLE_FILE = "whole file", MAIN_CHUNK = "main chunk" } -- names of what is no function

local function code_of(unit)
  return table.concat(unit.code, "\0")
end

local function grouped(functions, key_of)
  local groups <const> = {}
  for _, unit in ipairs(functions) do
    local key <const> = key_of(unit)
    groups[key] = groups[key] or {}
    table.insert(groups[key], unit)
  end
  return groups
end

--- Takes those out that both have, by their keys and, of several with one key, in their order. What is left of each.
---@param found fun(new: perigee.service.Outlined, old: perigee.service.Outlined)
local function match(old, new, key_of, found)
  local groups <const>, rest_new <const>, rest_old <const>, taken <const> = grouped(old, key_of), {}, {}, {}
  for _, unit in ipairs(new) do
    local partner <const> = table.remove(groups[key_of(unit)] or {}, 1)
    if partner then
      taken[partner] = true
      found(unit, partner)
    else
      rest_new[#rest_new + 1] = unit
    end
  end
  for _, unit in ipairs(old) do
    if not taken[unit] then rest_old[#rest_old + 1] = unit end
  end
  return rest_old, rest_new
end

local function key_and_code(unit) return unit.key .. "\0" .. code_of(unit) end
local function kind_and_code(unit) return unit.kind .. "\0" .. code_of(unit) end
local function key_alone(unit) return unit.key end

local function compare_functions(old, new, add)
  local function nothing() end
  local before, after = match(old.functions, new.functions, key_and_code, nothing)
  before, after = match(before, after, kind_and_code, nothing)
  before, after = match(before, after, key_alone, function(unit) add("changed", unit.name, unit.line) end)
  for _, unit in ipairs(before) do add("removed", unit.name, unit.line) end
  for _, unit in ipairs(after) do add("added", unit.name, unit.line) end
end

local function compare_top(old, new, add)
  for index = 1, math.max(#old.top, #new.top) do
    local before <const>, after <const> = old.top[index], new.top[index]
    if not before or not after or before.text ~= after.text then
      local place <const> = after or new.top[#new.top]
      return add("changed", M.MAIN_CHUNK, place and place.line or 1)
    end
  end
end

local function precedes(a, b)
  if a.line ~= b.line then return a.line < b.line end
  return a.name < b.name
end

local function compare_file(path, old, new)
  local list <const> = {}
  local function add(kind, name, line) list[#list + 1] = { path = path, name = name, kind = kind, line = line } end
  if not old or not new then
    add(old and "removed" or "added", M.WHOLE_FILE, 1)
  elseif old ~= new then
    local before <const>, after <const> = outline(old), outline(new)
    compare_top(before, after, add)
    compare_functions(before, after, add)
  end
  table.sort(list, precedes)
  return list
end

local function sorted_paths(...)
  local seen <const>, paths <const> = {}, {}
  for _, sources in ipairs { ... } do
    for path in pairs(sources) do
      if not seen[path] then paths[#paths + 1] = path end
      seen[path] = true
    end
  end
  table.sort(paths)
  return paths
end

--- The functions whose compiled code is different, and those that have come or gone. Where they stand and what is said
--- in comments does not count. An anonymous function inside of another belongs to that one; the main chunk is what is
--- outside of all functions.
---@param old table<string, string> the text of each file, by path
---@param new table<string, string>
---@return perigee.service.ChangedFunction[] by path, then by line
function M.functions(old, new)
  local list <const> = {}
  for _, path in ipairs(sorted_paths(old, new)) do
    for _, item in ipairs(compare_file(path, old[path], new[path])) do list[#list + 1] = item end
  end
  return list
end

-- The text of a plan.

local function listener_rows(service)
  local rows <const> = {}
  for i, listener in ipairs(service.listeners or {}) do rows[i] = { "listener", listener.address, listener.kind } end
  return rows
end

local function state_kind(state)
  if state.kind == "migrated" then
    return ("migrated from version %s to %s"):format(state.from or "?", state.to or "?")
  elseif state.kind == "unused" then
    return "kept, but nothing asks for it"
  end
  return state.kind
end

local function state_rows(service)
  local rows <const> = {}
  for i, state in ipairs(service.state or {}) do rows[i] = { "state", state.name, state_kind(state) } end
  return rows
end

local function option_change(option)
  if option.old == nil then return ("new, %s"):format(option.new) end
  if option.new == nil then return ("removed, was %s"):format(option.old) end
  return ("%s, was %s"):format(option.new, option.old)
end

local function option_rows(service)
  local rows <const> = {}
  for i, option in ipairs(service.options or {}) do rows[i] = { "option", option.name, option_change(option) } end
  return rows
end

local function function_row(item)
  if item.name == M.WHOLE_FILE then return { "file", item.path, item.kind } end
  return { "function", item.name, ("%-7s  %s:%d"):format(item.kind, item.path, item.line) }
end

local function function_rows(service)
  local rows <const> = {}
  for i, item in ipairs(service.functions or {}) do rows[i] = function_row(item) end
  return rows
end

local function is_change(row)
  return row[3] ~= "kept"
end

local function rows_of(service)
  local rows <const>, changes = {}, 0
  for _, list in ipairs { listener_rows, state_rows, option_rows, function_rows } do
    for _, row in ipairs(list(service)) do
      rows[#rows + 1] = row
      if is_change(row) then changes = changes + 1 end
    end
  end
  return rows, changes
end

local function width_of(text)
  return utf8.len(text) or #text
end

local function add_rows(lines, rows)
  local width = 0
  for _, row in ipairs(rows) do width = math.max(width, width_of(row[2])) end
  for _, row in ipairs(rows) do
    lines[#lines + 1] = ("  %-8s  %s%s  %s"):format(row[1], row[2], (" "):rep(width - width_of(row[2])), row[3])
  end
end

local function count_text(changes)
  if changes == 0 then return "nothing would change" end
  return changes == 1 and "1 change" or changes .. " changes"
end

---@class perigee.service.DescribedPlan
---@field services { name: string, generation: integer?, listeners: { address: string, kind: string }[], state:
--- { name: string, kind: string, from: integer?, to: integer? }[], options: { name: string, old: string?, new:
--- string? }[], functions: perigee.service.ChangedFunction[] }[]

--- A plan, for the terminal: each service with what is kept and what is not.
---@param plan perigee.service.DescribedPlan
---@return string text without a line feed at its end
function M.text(plan)
  local lines <const> = {}
  for _, service in ipairs(plan.services) do
    local rows <const>, changes <const> = rows_of(service)
    lines[#lines + 1] = ("%s: %s"):format(service.name, count_text(changes))
    add_rows(lines, rows)
  end
  return table.concat(lines, "\n")
end

return M
