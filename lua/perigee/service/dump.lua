--- Reads what string.dump gives for Lua 5.4: the functions of a chunk, as far as an analysis needs them.

-- Version 5.4, format 0, bytes that a conversion of text would damage, sizes and values of numbers.
local HEADER <const> = "\27Lua\x54\0\x19\x93\r\n\x1a\n"
  .. string.char(4, string.packsize "j", string.packsize "n") .. string.pack("=jn", 0x5678, 370.5)
local ABSOLUTE <const> = -128 -- a lineinfo entry that says: look into abslineinfo
local NIL <const>, FALSE <const>, TRUE <const> = 0x00, 0x01, 0x11
local FLOAT <const>, INTEGER <const>, SHORT_STRING <const>, LONG_STRING <const> = 0x13, 0x03, 0x04, 0x14
local LAST_OPCODE <const> = 82

---@class perigee.service.dump.Reader
---@field data string
---@field position integer of the next byte
local Reader <const> = {}
Reader.__index = Reader

function Reader:unpack(format)
  local value
  value, self.position = string.unpack(format, self.data, self.position)
  return value
end

function Reader:byte()
  return self:unpack "B"
end

function Reader:bytes(count)
  return self:unpack("c" .. count)
end

-- Seven bits a byte, the highest first, and the top bit marks the last byte.
function Reader:count()
  local value = 0
  repeat
    local byte <const> = self:byte()
    value = value << 7 | byte & 0x7F
    if value > 0x7FFFFFFF then error "a number is too large" end
  until byte >= 0x80
  return value
end

function Reader:string()
  local size <const> = self:count() -- and one, so that 0 can mean none
  return size > 0 and self:bytes(size - 1) or nil
end

function Reader:list(read)
  local list <const> = {}
  local count <const> = self:count()
  for index = 0, count - 1 do list[index] = read(self) end
  return list, count
end

local READ_CONSTANT <const> = {
  [NIL] = function() return nil end,
  [FALSE] = function() return nil end,
  [TRUE] = function() return nil end,
  [FLOAT] = function(reader) reader:unpack "=n" return nil end,
  [INTEGER] = function(reader) reader:unpack "=j" return nil end,
  [SHORT_STRING] = Reader.string,
  [LONG_STRING] = Reader.string,
}

local function read_constant(reader)
  local read <const> = READ_CONSTANT[reader:byte()] or error "a constant of unknown type"
  return read(reader)
end

local function read_upvalue(reader)
  local in_stack <const>, index <const> = reader:byte() ~= 0, reader:byte()
  reader:byte() -- its kind: ordinary, const or to be closed
  return { in_stack = in_stack, index = index }
end

local function read_absolute_line(reader)
  return { pc = reader:count(), line = reader:count() }
end

local function read_local(reader)
  reader:string()
  reader:count()
  reader:count()
end

-- The line of each instruction, counted up from the line where the function begins.
local function decode_lines(prototype, steps, absolute_lines)
  local lines <const> = {}
  local line, absolute = prototype.line, 0
  for pc = 0, #steps - 1 do
    local step <const> = string.unpack("b", steps, pc + 1)
    if step == ABSOLUTE then
      line, absolute = absolute_lines[absolute].line, absolute + 1
    else
      line = line + step
    end
    lines[pc] = line
  end
  return lines
end

local function decode_code(code)
  local instructions <const> = {}
  for pc = 0, #code // 4 - 1 do
    instructions[pc] = string.unpack("=I4", code, pc * 4 + 1)
    if instructions[pc] & 0x7F > LAST_OPCODE then error "an unknown instruction" end
  end
  return instructions
end

local function read_debug(reader, prototype)
  local steps <const> = reader:bytes(reader:count())
  prototype.lines = decode_lines(prototype, steps, reader:list(read_absolute_line))
  reader:list(read_local)
  local names <const>, count <const> = reader:list(Reader.string)
  for index = 0, count - 1 do prototype.upvalues[index].name = names[index] end
end

---@class perigee.service.dump.Prototype
---@field line integer where the function begins; 0 for a main chunk
---@field last_line integer where it ends; 0 for a main chunk
---@field code string its parameters, instructions and constants, as bytes: without lines and the functions inside
---@field instructions table<integer, integer> by pc, from 0
---@field lines table<integer, integer> by pc; empty in a stripped dump
---@field constants table<integer, string> by index from 0: the strings alone
---@field upvalues table<integer, { in_stack: boolean, index: integer, name: string? }> by index from 0
---@field upvalue_count integer
---@field prototypes table<integer, perigee.service.dump.Prototype> by index from 0: the functions inside this one
---@field prototype_count integer

local function read_prototype(reader)
  local prototype <const> = {}
  reader:string() -- the source's name
  prototype.line = reader:count()
  prototype.last_line = reader:count()
  local begin <const> = reader.position
  reader:bytes(3) -- parameters, is it variadic, stack size
  prototype.instructions = decode_code(reader:bytes(reader:count() * 4))
  prototype.constants = reader:list(read_constant)
  prototype.code = reader.data:sub(begin, reader.position - 1)
  prototype.upvalues, prototype.upvalue_count = reader:list(read_upvalue)
  prototype.prototypes, prototype.prototype_count = reader:list(read_prototype)
  read_debug(reader, prototype)
  return prototype
end

local dump <const> = {}

--- Reads a dump. Raises when it is not one, or is damaged.
---@param bytes string
---@return perigee.service.dump.Prototype
function dump.read(bytes)
  if bytes:sub(1, #HEADER) ~= HEADER then error "it is not Lua 5.4 code of this kind of machine" end
  local position <const> = #HEADER + 2 -- after a count of upvalues
  return read_prototype(setmetatable({ data = bytes, position = position }, Reader))
end

return dump
