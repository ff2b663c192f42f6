--- Reads pickles, protocols 0 to 5 (Python's Lib/pickletools.py describes them), as data: nothing is ever called or
--- looked up by a name.

local buffer <const> = require "core.buffer"
local containers <const> = require "perigee.codec.pickle.containers"
local failure <const> = require "perigee.codec.pickle.failure"
local Machine <const> = require "perigee.codec.pickle.machine"
local names <const> = require "perigee.codec.pickle.names"
local null <const> = require "perigee.codec.pickle.marks".null
local scalars <const> = require "perigee.codec.pickle.scalars"

local invalid <const>, denied <const> = failure.invalid, failure.denied
local take <const>, line <const>, fixed <const> = scalars.take, scalars.line, scalars.fixed
local u1 <const>, u2 <const>, u4 <const>, u8 <const> = scalars.u1, fixed("<I2", 2), fixed("<I4", 4), fixed("<i8", 8)
local i4 <const>, f8 <const> = fixed("<i4", 4), fixed(">d", 8)

local PROTOCOLS <const> = 5
local STOP <const> = ("."):byte()

--- What bytes are given as.
function Machine:binary_of(bytes)
  return self.binary == "buffer" and buffer.from(bytes) or bytes
end

-- An operation is given the position behind its opcode, and returns that of the next one.

---@type table<integer, fun(self: perigee.pickle.Machine, position: integer): integer>
local operations <const> = {}

---@param opcode string
local function define(opcode, operation)
  operations[opcode:byte()] = operation
end

local function constant(value)
  return function(self, position)
    self:push(value)
    return position
  end
end

--- A number of a fixed size. It pushes by itself: long lists of numbers are what takes time.
local function number(read)
  return function(self, position)
    local top <const> = self.top + 1
    self.top, self.stack[top], position = top, read(self.text, position)
    return position
  end
end

--- A length, and so many bytes, which `convert` makes a value of.
local function counted(read_length, convert)
  return function(self, position)
    local length <const>, start <const> = read_length(self.text, position)
    local bytes <const>, after <const> = take(self.text, start, length)
    self:push(convert(bytes, position, self))
    return after
  end
end

local function in_line(convert)
  return function(self, position)
    local text <const>, after <const> = line(self.text, position)
    self:push(convert(text, position, self))
    return after
  end
end

local function to_binary(bytes, _, self)
  return self:binary_of(bytes)
end

--- A string of Python 2 may be either.
local function to_either(bytes, _, self)
  return scalars.is_text(bytes) and bytes or self:binary_of(bytes)
end

local function integer_of_protocol_0(digits, position)
  if digits == "00" then return false end
  if digits == "01" then return true end
  return scalars.decimal(digits, position)
end

define("N", constant(null))
define("\x88", constant(true))
define("\x89", constant(false))
define("K", number(u1))
define("M", number(u2))
define("J", number(i4))
define("G", number(f8))
define("I", in_line(integer_of_protocol_0))
define("L", in_line(function(digits, position) return scalars.decimal(digits:gsub("L$", "", 1), position) end))
define("F", in_line(scalars.float))
define("\x8a", counted(u1, scalars.integer))
define("\x8b", counted(i4, scalars.integer))
define("V", in_line(scalars.raw_unicode))
define("X", counted(u4, scalars.check_text))
define("\x8c", counted(u1, scalars.check_text))
define("\x8d", counted(u8, scalars.check_text))
define("C", counted(u1, to_binary))
define("B", counted(u4, to_binary))
define("\x8e", counted(u8, to_binary))
define("\x96", counted(u8, to_binary))
define("U", counted(u1, to_either))
define("T", counted(i4, to_either))
define("S", in_line(function(text, position, self)
  return to_either(scalars.quoted(text, position), position, self)
end))

define("]", containers.empty_list)
define("l", containers.list)
define("a", containers.append)
define("e", containers.appends)
define(")", containers.empty_tuple)
define("t", containers.tuple)
define("\x85", containers.tuple_of(1))
define("\x86", containers.tuple_of(2))
define("\x87", containers.tuple_of(3))
define("}", containers.empty_dict)
define("d", containers.dict)
define("s", containers.set_item)
define("u", containers.set_items)
define("\x8f", containers.empty_set)
define("\x90", containers.add_items)
define("\x91", containers.frozenset)
define("c", containers.global)
define("\x93", containers.stack_global)
define("R", containers.reduce)
define("b", containers.build)
define("i", containers.instance)
define("o", containers.object)
define("\x81", containers.new_object(2))
define("\x92", containers.new_object(3))

-- The stack and the memo.

define("(", function(self, position)
  self:mark()
  return position
end)

define("0", function(self, position)
  if self.top == self.base and #self.marks > 0 then self:pop_mark(position)
  else self:pop(position) end
  return position
end)

define("1", function(self, position)
  self:pop_mark(position)
  return position
end)

define("2", function(self, position)
  self:push_again(self:peek(position))
  return position
end)

--- Who writes a pickle numbers its places one by one; other numbers could all have the same hash.
local function keep(self, index, position)
  if index < 0 or index > #self.text then invalid(position, "the memo has no place %d", index) end
  local value <const> = self:peek(position)
  if self.memo[index] == nil then self.memo_count = self.memo_count + 1 end
  self.memo[index] = value
end

local function fetch(self, index, position)
  local value <const> = self.memo[index]
  if value == nil then invalid(position, "nothing is in the memo at %d", index) end
  self:push_again(value)
end

local function with_memo(read, operation)
  return function(self, position)
    local index <const>, after <const> = read(self.text, position)
    operation(self, index, position)
    return after
  end
end

local function index_line(text, position)
  local digits <const>, after <const> = line(text, position)
  return scalars.decimal(digits, position), after
end

define("p", with_memo(index_line, keep))
define("q", with_memo(u1, keep))
define("r", with_memo(u4, keep))
define("g", with_memo(index_line, fetch))
define("h", with_memo(u1, fetch))
define("j", with_memo(u4, fetch))
define("\x94", function(self, position)
  keep(self, self.memo_count, position)
  return position
end)

-- What is around the values.

define("\x80", function(self, position)
  local version <const>, after <const> = u1(self.text, position)
  if version > PROTOCOLS then invalid(position, "protocol %d is not known", version) end
  return after
end)

define("\x95", function(self, position)
  local length <const>, after <const> = u8(self.text, position)
  if length < 0 or length > #self.text - after + 1 then failure.truncated(position) end
  return after
end)

-- What refers to something that is not in the pickle.

local function extension(read)
  return function(self, position)
    denied(position, ("extension %d"):format((read(self.text, position))))
  end
end

define("\x82", extension(u1))
define("\x83", extension(u2))
define("\x84", extension(i4))
define("P", function(self, position)
  denied(position, "the persistent object " .. names.shown((line(self.text, position))))
end)
define("Q", function(_, position) denied(position, "a persistent object") end)
define("\x97", function(_, position) denied(position, "a buffer beside it") end)
define("\x98", function(_, position) denied(position, "a buffer beside it") end)

local function unknown(text, position)
  if position > #text then failure.truncated(position + 1) end
  invalid(position + 1, "0x%02x is no opcode", text:byte(position))
end

--- The value that is there at the end, which has to be the end of the text as well.
local function stop(self, position)
  self:check_values(position)
  local value <const> = self:pop(position)
  if self.top > 0 or #self.marks > 0 then invalid(position, "values are left on the stack") end
  if position <= #self.text then invalid(position + 1, "bytes after its end") end
  self:check_tree(value)
  self:finish()
  return value
end

local function run(self)
  local text <const>, byte <const> = self.text, string.byte
  local position = 1
  for _ = 1, self.limit do
    local opcode <const> = byte(text, position)
    if opcode == STOP then return stop(self, position + 1) end
    local operation <const> = operations[opcode] or unknown(text, position)
    position = operation(self, position + 1)
  end
  self:exceed()
end

--- Reads a pickle.
---@param text string
---@param options { binary: "string"|"buffer", exceptions: boolean, depth: integer, limit: integer }
---@return any value null for None; nil when it is refused
---@return string? message
---@return "protocol"|"limit"|"denied"|nil code
return function(text, options)
  local ok <const>, value <const>, code <const> = failure.catch(pcall(run, Machine.new(text, options)))
  if ok then return value end
  return nil, value --[[@as string]], code
end
