--- The opcodes of pickles that make lists, tuples, dicts and sets, and those that name and call.

local failure <const> = require "perigee.codec.pickle.failure"
local marks <const> = require "perigee.codec.pickle.marks"
local names <const> = require "perigee.codec.pickle.names"
local scalars <const> = require "perigee.codec.pickle.scalars"
local spread <const> = require "perigee.codec.pickle.spread"

local invalid <const>, denied <const> = failure.invalid, failure.denied

local M <const> = {}

local function push_list(self, first, last)
  self:push(self:made(table.move(self.stack, first, last, 1, {}), "list"))
end

-- Lists.

function M.empty_list(self, position)
  self:push(self:made({}, "list"))
  return position
end

function M.list(self, position)
  local first <const>, last <const> = self:pop_mark(position)
  self:check_values(position, first, last)
  push_list(self, first, last)
  return position
end

function M.append(self, position)
  self:check_values(position)
  local value <const> = self:pop(position)
  local list <const> = self:peek_kind("list", position)
  list[#list + 1] = value
  return position
end

function M.appends(self, position)
  local first <const>, last <const> = self:pop_mark(position)
  self:check_values(position, first, last)
  local list <const> = self:peek_kind("list", position)
  table.move(self.stack, first, last, #list + 1, list)
  return position
end

-- Tuples.

local function push_tuple(self, position, first, last)
  self:check_values(position, first, last)
  self:push(self:made(marks.tuple(table.move(self.stack, first, last, 1, {})), "tuple"))
  return position
end

function M.empty_tuple(self, position)
  return push_tuple(self, position, 1, 0)
end

function M.tuple(self, position)
  return push_tuple(self, position, self:pop_mark(position))
end

---@param count integer values that the tuple takes off the stack
function M.tuple_of(count)
  return function(self, position)
    local last <const> = self.top
    if last - count < self.base then invalid(position, "nothing is on the stack") end
    self.top = last - count
    return push_tuple(self, position, last - count + 1, last)
  end
end

-- Dicts and sets.

--- May it be a key? A tuple is asked once, however often it is in others.
local function is_hashable(self, key, level)
  local kind <const> = self.kinds[key]
  if kind == nil or kind == "frozenset" then return true end
  if kind ~= "tuple" then return false end
  if level > self.depth then self:too_deep() end
  if self.hashable[key] ~= nil then return self.hashable[key] end
  local result = true
  for index = 1, #key do result = result and is_hashable(self, key[index], level + 1) end
  self.hashable[key] = result
  return result
end

local function check_key(self, key, position)
  if key ~= key then invalid(position, "a key that is NaN") end
  if not is_hashable(self, key, 1) then invalid(position, "a %s is no key", self.kinds[key]) end
end

local function note_number(self, dict, key, position)
  local numbers = self.numbers[dict]
  if not numbers then
    numbers = spread.new()
    self.numbers[dict] = numbers
  end
  if not spread.add(numbers, key) then invalid(position, "too many keys that have the same hash") end
end

local function fill(self, dict, first, last, position)
  if (last - first) % 2 == 0 then invalid(position, "a key without a value") end
  self:check_values(position, first, last)
  local stack <const> = self.stack
  for index = first, last, 2 do
    local key <const> = stack[index]
    if type(key) ~= "string" then
      check_key(self, key, position)
      if type(key) == "number" and dict[key] == nil then note_number(self, dict, key, position) end
      self.odd[dict] = true
    end
    dict[key] = stack[index + 1]
  end
end

function M.empty_dict(self, position)
  self:push(self:made({}, "dict"))
  return position
end

function M.dict(self, position)
  local first <const>, last <const> = self:pop_mark(position)
  local dict <const> = self:made({}, "dict")
  fill(self, dict, first, last, position)
  self:push(dict)
  return position
end

function M.set_item(self, position)
  local last <const> = self.top
  if last - 2 < self.base then invalid(position, "nothing is on the stack") end
  self.top = last - 2
  fill(self, self:peek_kind("dict", position), last - 1, last, position)
  return position
end

function M.set_items(self, position)
  local first <const>, last <const> = self:pop_mark(position)
  fill(self, self:peek_kind("dict", position), first, last, position)
  return position
end

local function check_members(self, list, first, last, position)
  for index = first, last do
    if not is_hashable(self, list[index], 1) then
      invalid(position, "a %s is no member of a set", self.kinds[list[index]])
    end
  end
end

function M.empty_set(self, position)
  self:push(self:made(marks.set {}, "set"))
  return position
end

function M.add_items(self, position)
  local first <const>, last <const> = self:pop_mark(position)
  self:check_values(position, first, last)
  check_members(self, self.stack, first, last, position)
  local set <const> = self:peek_kind("set", position)
  table.move(self.stack, first, last, #set + 1, set)
  return position
end

function M.frozenset(self, position)
  local first <const>, last <const> = self:pop_mark(position)
  self:check_values(position, first, last)
  check_members(self, self.stack, first, last, position)
  self:push(self:made(marks.frozenset(table.move(self.stack, first, last, 1, {})), "frozenset"))
  return position
end

-- What a pickle makes by name.

local makers <const> = {}

local function make_set(kind)
  return function(self, arguments, position)
    local items <const> = arguments[1] == nil and {} or arguments[1]
    local is_list <const> = arguments[1] == nil or self.kinds[items] == "list" or self.kinds[items] == "tuple"
    if #arguments > 1 or not is_list then invalid(position, "a set is made of one list") end
    check_members(self, items, 1, #items, position)
    return self:made(marks[kind](table.move(items, 1, #items, 1, {})), kind)
  end
end

makers.set, makers.frozenset = make_set "set", make_set "frozenset"

local function make_bytes(self, arguments, position)
  local text <const> = arguments[1]
  if text == nil then return self:binary_of "" end
  if #arguments == 1 and type(text) == "userdata" then return text end
  local encoding <const> = arguments[2]
  local bytes
  if type(text) == "string" then
    if #arguments == 1 then bytes = text
    elseif encoding == "latin1" or encoding == "latin-1" then bytes = scalars.to_latin1(text) end
  end
  if not bytes or #arguments > 2 then invalid(position, "bytes are made of Latin-1") end
  return self:binary_of(bytes)
end

makers.bytes, makers.encode = make_bytes, make_bytes

function makers.exception(self, arguments, _, name)
  local list <const> = self:made(table.move(arguments, 1, #arguments, 1, {}), "list")
  return self:made(marks.raised { exception = name, arguments = list }, "exception")
end

local function push_name(self, position, module, name)
  local shown <const> = names.shown(module) .. "." .. names.shown(name)
  local maker <const> = names.maker(module, name, self.exceptions)
  if not maker then denied(position, shown) end
  local named <const> = { maker = maker, name = shown, plain = name }
  self.makers = self.makers or {}
  self.makers[named] = named
  self:push(named)
end

function M.global(self, position)
  local module <const>, after <const> = scalars.line(self.text, position)
  local name <const>, next_position <const> = scalars.line(self.text, after)
  push_name(self, position, module, name)
  return next_position
end

function M.stack_global(self, position)
  local name <const>, module <const> = self:pop(position), self:pop(position)
  if type(name) ~= "string" or type(module) ~= "string" then invalid(position, "a name that is no text") end
  push_name(self, position, module, name)
  return position
end

function M.reduce(self, position)
  local arguments <const>, named <const> = self:pop(position), self:pop(position)
  local known <const> = self.makers and self.makers[named]
  if not known then invalid(position, "what is called is no class") end
  if self.kinds[arguments] ~= "tuple" then invalid(position, "what a class is called with is no tuple") end
  self:push(makers[known.maker](self, arguments, position, known.plain))
  return position
end

--- Exceptions have attributes; nothing else has a state.
function M.build(self, position)
  self:check_values(position)
  local state <const>, object <const> = self:pop(position), self:peek(position)
  if self.kinds[object] ~= "exception" then denied(position, "the state of an object") end
  if self.kinds[state] ~= "dict" then invalid(position, "the attributes of an exception are no dict") end
  object.attributes = state
  return position
end

--- In protocol 0, of classes of Python 2.
function M.instance(self, position)
  local module <const>, after <const> = scalars.line(self.text, position)
  denied(position, names.shown(module) .. "." .. names.shown((scalars.line(self.text, after))))
end

--- `count` values on the stack belong to it; the first one is the class.
---@param count integer
function M.new_object(count)
  return function(self, position)
    for _ = 2, count do self:pop(position) end
    local known <const> = self.makers and self.makers[self:pop(position)]
    denied(position, known and known.name or "a class")
  end
end

function M.object(self, position)
  local first <const>, last <const> = self:pop_mark(position)
  local known <const> = first <= last and self.makers and self.makers[self.stack[first]]
  denied(position, known and known.name or "a class")
end

return M
