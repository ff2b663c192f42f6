--- Which upvalues of a script's functions are locals of its main chunk? Read from the compiled script, since a function
--- itself knows only their names.

local dump <const> = require "perigee.service.dump"

local M <const> = {}

--- What identifies a function of a script.
local function key_of(line, last_line, upvalue_count)
  return ("%d-%d/%d"):format(line, last_line, upvalue_count)
end

---@class perigee.console.Captures
---@field count integer how many locals functions have
---@field functions table<string, table<integer, integer>> for a function, by upvalue from 1: the local's register
---@field seen table<string, true>

--- Two functions that look the same from outside tell nothing, unless they say the same.
local function merge(known, found)
  for index, register in pairs(known) do
    if found[index] ~= register then known[index] = nil end
  end
end

--- Goes through the functions inside of one; `outer[index]` is the register of the main chunk that its upvalue is.
local function read_inner(prototype, outer, captures, is_main)
  for i = 0, prototype.prototype_count - 1 do
    local inner <const>, registers <const> = prototype.prototypes[i], {}
    for index = 0, inner.upvalue_count - 1 do
      local upvalue <const> = inner.upvalues[index]
      local register
      if upvalue.in_stack then register = is_main and upvalue.index or nil else register = outer[upvalue.index + 1] end
      registers[index + 1] = register
      if register then captures.seen[register .. " " .. upvalue.name] = true end
    end
    local key <const> = key_of(inner.line, inner.last_line, inner.upvalue_count)
    local same <const> = captures.functions[key]
    if same then merge(same, registers) else captures.functions[key] = registers end
    read_inner(inner, registers, captures, false)
  end
end

--- Reads a script.
---@param text string of its file
---@return perigee.console.Captures
function M.read(text)
  local captures <const> = { functions = {}, seen = {}, count = 0 }
  local plain <const> = text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "")
  local chunk <const> = load(plain, "=script", "t")
  if not chunk then return captures end
  read_inner(dump.read(string.dump(chunk)), {}, captures, true)
  for _ in pairs(captures.seen) do captures.count = captures.count + 1 end
  return captures
end

--- The registers of a function's upvalues that are locals of the main chunk, by index from 1; nil for another's.
---@param captures perigee.console.Captures
---@param info table what debug.getinfo says with "Su"
---@return table<integer, integer>?
function M.of(captures, info)
  return captures.functions[key_of(info.linedefined, info.lastlinedefined, info.nups)]
end

return M
