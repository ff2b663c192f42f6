--- Which globals does compiled code touch? Read from what string.dump gives, so that nothing runs and no
--- second parser of Lua can disagree with the first.
--- A global is an access through the _ENV that the outermost function has as an upvalue; a `local _ENV` in
--- the code is its own affair, and what the code assigns to _ENV is not followed.

local dump <const> = require "perigee.service.dump"

local LOADK <const>, LOADKX <const>, LOADNIL <const>, GETUPVAL <const> = 3, 4, 8, 9
local GETTABUP <const>, GETTABLE <const>, SETTABUP <const>, SETTABLE <const> = 11, 12, 15, 16
local SELF <const>, CONCAT <const>, CALL <const>, TAILCALL <const> = 20, 53, 68, 69
local FORLOOP <const>, FORPREP <const>, TFORCALL <const>, TFORLOOP <const> = 73, 74, 76, 77
local VARARG <const>, VARARGPREP <const> = 80, 81

-- Opcodes that leave register A alone: the Lua sources' opmodes with the A bit off, less TFORCALL.
local KEEPS_A <const> = {}
local KEEPS_A_RANGES <const> = {
  { 10, 10 }, { 15, 18 }, { 46, 48 }, { 54, 66 }, { 70, 72 }, { 75, 75 }, { 78, 78 }, { 82, 82 },
}
for _, range in ipairs(KEEPS_A_RANGES) do
  for opcode = range[1], range[2] do KEEPS_A[opcode] = true end
end

-- Opcodes that may change the registers above A as well.
local CHANGES_ABOVE_A <const> = {
  [LOADNIL] = true, [SELF] = true, [CONCAT] = true, [CALL] = true, [TAILCALL] = true, [FORLOOP] = true,
  [FORPREP] = true, [TFORCALL] = true, [TFORLOOP] = true, [VARARG] = true, [VARARGPREP] = true,
}

local function field_a(instruction) return instruction >> 7 & 0xFF end
local function field_b(instruction) return instruction >> 16 & 0xFF end
local function field_c(instruction) return instruction >> 24 end

local function changes(instruction, register)
  local opcode <const>, a <const> = instruction & 0x7F, field_a(instruction)
  if KEEPS_A[opcode] then return false end
  return a == register or CHANGES_ABOVE_A[opcode] and a <= register
end

-- With more than 256 constants, or for a name of more than 40 bytes, the name does not fit into one
-- instruction. The compiler emits, side by side, GETUPVAL R _ENV and LOADK K name, then GETTABLE or SETTABLE
-- with R and K. Those two are temporary, so what comes between does not change them; where something does,
-- this was other code, such as the call f(_ENV, "name"), and we do not guess.
local function find_use(instructions, pc, object, key)
  local instruction = instructions[pc]
  while instruction do
    local opcode <const> = instruction & 0x7F
    if opcode == GETTABLE and field_b(instruction) == object and field_c(instruction) == key then
      return pc, false
    elseif opcode == SETTABLE and field_a(instruction) == object and field_b(instruction) == key then
      return pc, true
    elseif changes(instruction, object) or changes(instruction, key) then
      return nil
    end
    pc = pc + 1
    instruction = instructions[pc]
  end
end

-- The constant that the instruction at pc loads, and the pc of the instruction after.
local function loaded_constant(prototype, instructions, pc)
  local instruction <const> = instructions[pc] or 0
  local opcode <const> = instruction & 0x7F
  if opcode == LOADK then return prototype.constants[instruction >> 15], pc + 1 end
  if opcode == LOADKX then return prototype.constants[instructions[pc + 1] >> 7], pc + 2 end
end

local function find_long_use(prototype, instructions, pc)
  local name <const>, next_pc <const> = loaded_constant(prototype, instructions, pc + 1)
  if not name then return nil end
  return name, find_use(instructions, next_pc, field_a(instructions[pc]), field_a(instructions[pc + 1]))
end

-- Name, place and kind of the access that begins at pc, or nil.
local function access_at(prototype, instructions, pc, environments)
  local instruction <const> = instructions[pc]
  local opcode <const> = instruction & 0x7F
  if opcode == GETTABUP and environments[field_b(instruction)] then
    return prototype.constants[field_c(instruction)], pc, false
  elseif opcode == SETTABUP and environments[field_a(instruction)] then
    return prototype.constants[field_b(instruction)], pc, true
  elseif opcode == GETUPVAL and environments[field_b(instruction)] then
    return find_long_use(prototype, instructions, pc)
  end
end

local collect

local function collect_nested(prototype, environments, found)
  for index = 0, prototype.prototype_count - 1 do
    local nested <const>, inherited <const> = prototype.prototypes[index], {}
    for slot = 0, nested.upvalue_count - 1 do
      local upvalue <const> = nested.upvalues[slot]
      inherited[slot] = not upvalue.in_stack and environments[upvalue.index]
    end
    collect(nested, inherited, found)
  end
end

-- environments[i] is true where upvalue i of the prototype is the global environment.
function collect(prototype, environments, found)
  local instructions <const> = prototype.instructions
  for pc = 0, #instructions do
    local name <const>, place <const>, write <const> = access_at(prototype, instructions, pc, environments)
    if place then
      found[#found + 1] = { name = name, line = prototype.lines[place] or prototype.line, write = write }
    end
  end
  collect_nested(prototype, environments, found)
end

-- A main chunk has _ENV as its first upvalue even when the names were stripped.
local function outermost_environments(prototype)
  local environments <const> = {}
  for index = 0, prototype.upvalue_count - 1 do
    local name <const> = prototype.upvalues[index].name
    if not name and prototype.line ~= 0 then error "its debug information was stripped" end
    environments[index] = name == "_ENV" or not name and index == 0
  end
  return environments
end

local function analyse(bytes)
  local prototype <const>, found <const> = dump.read(bytes), {}
  collect(prototype, outermost_environments(prototype), found)
  return found
end

local function to_dump(code)
  if type(code) == "string" then return code end
  local ok <const>, bytes <const> = pcall(string.dump, code)
  if ok then return bytes end
  error(("bad argument 'code' (Lua function or binary chunk expected, got %s)"):format(type(code)), 3)
end

---@class perigee.cli.access
---@field name string
---@field line integer 0 in code without debug information
---@field write boolean

local globals <const> = {}

--- Every access to a global in a function and in the functions inside it, outer functions first.
--- Accesses by way of another variable (local e = _ENV; e.x) are not looked for.
---@param code function|string a Lua function, or what string.dump gave
---@return perigee.cli.access[]? accesses
---@return string? message when the dump is not one of Lua 5.4, is damaged, or is a stripped inner function
---@return string? code "protocol"
function globals.find(code)
  local bytes <const> = to_dump(code)
  local ok <const>, found <const> = pcall(analyse, bytes)
  if ok then return found end
  return nil, "cannot read the code: " .. tostring(found):gsub("^[^:]+:%d+: ", ""), "protocol"
end

-- An environment may raise for unknown names.
local function has(environment, name)
  local ok <const>, value <const> = pcall(function() return environment[name] end)
  return ok and value ~= nil
end

local function select_undefined(accesses, environment)
  local defined <const>, seen <const>, list <const> = {}, {}, {}
  for _, access in ipairs(accesses) do defined[access.name] = access.write or defined[access.name] end
  for _, access in ipairs(accesses) do
    local place <const> = access.line .. " " .. access.name
    if not defined[access.name] and not seen[place] and not has(environment, access.name) then
      seen[place], list[#list + 1] = true, access
    end
  end
  return list
end

--- The reads of globals that neither the environment has nor the code writes anywhere, once a name and line.
---@param code function|string as in globals.find
---@param environment table what the code will see; its metatable counts
---@return perigee.cli.access[]? reads sorted by line, then by name
---@return string? message
---@return string? code as in globals.find
function globals.undefined(code, environment)
  if type(environment) ~= "table" then
    error(("bad argument 'environment' (table expected, got %s)"):format(type(environment)), 2)
  end
  local bytes <const> = to_dump(code)
  local accesses <const>, message <const>, reason <const> = globals.find(bytes)
  if not accesses then return nil, message, reason end
  local list <const> = select_undefined(accesses, environment)
  table.sort(list, function(a, b) return a.line < b.line or a.line == b.line and a.name < b.name end)
  return list
end

return globals
