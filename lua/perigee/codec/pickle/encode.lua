--- Writes pickles, protocols 0 to 5. A table or string that is in several places is written once, so that Python has it
--- in as many.

local names <const> = require "perigee.codec.pickle.names"
local paths <const> = require "perigee.codec.pickle.path"
local forms <const> = require "perigee.codec.pickle.forms"
local marks <const> = require "perigee.codec.pickle.marks"
local scalars <const> = require "perigee.codec.pickle.scalars"

local number_type <const> = math.type
local null <const> = marks.null

---@class perigee.pickle.Writer
---@field form perigee.pickle.Form
---@field protocol integer
---@field parts string[]
---@field count integer of parts
---@field memo table<any, integer> where tables, strings and buffers are kept
---@field memo_count integer
---@field active table<table, true> tables that are under way
---@field path any[] the keys down to the table that is under way
---@field level integer
---@field depth integer
local Writer <const> = {}
Writer.__index = Writer

local MEMO_BYTES <const> = 4 -- strings that are shorter are as quickly written as found

function Writer:put(head, body)
  local count <const> = self.count + 1
  self.count, self.parts[count] = count, head
  if body then self:put(body) end
end

function Writer:fail(what, key)
  error("cannot encode " .. what .. paths.text(self.path, self.level, key), 0)
end

--- Writes a reference to what has been written before; false: it has not.
function Writer:put_known(value)
  local index <const> = self.memo[value]
  if not index then return false end
  self:put(self.form.get(index))
  return true
end

function Writer:keep(value)
  local index <const> = self.memo_count
  self.memo[value], self.memo_count = index, index + 1
  self:put(self.form.put(index))
end

local writers <const> = {}

--- A value, at `key` of the table that is under way.
local function put_value(self, value, key)
  local write <const> = writers[type(value)]
  if not write then self:fail("a " .. type(value), key) end
  write(self, value, key)
end

function writers.number(self, value)
  local form <const>, count <const> = self.form, self.count + 1
  self.count, self.parts[count] = count, (number_type(value) == "integer" and form.integer or form.float)(value)
end

function writers.boolean(self, value)
  self:put(self.form.boolean(value))
end

writers["nil"] = function(self, _, key)
  if self.level > 0 then self:fail("nil", key) end
  self:put "N"
end

function writers.string(self, value)
  local is_kept <const> = #value > MEMO_BYTES
  if is_kept and self:put_known(value) then return end
  self:put((scalars.is_text(value) and self.form.text or self.form.bytes)(value))
  if is_kept then self:keep(value) end
end

function writers.userdata(self, value, key)
  if value == null then return self:put "N" end
  local metatable <const> = getmetatable(value)
  local name <const> = type(metatable) == "table" and metatable.__name
  if name ~= "perigee.buffer" then self:fail("a " .. (name or "userdata"), key) end
  if self:put_known(value) then return end
  self:put(self.form.bytes(value:cast "u8":string()))
  self:keep(value)
end

-- Tables.

--- Python's keys and members of sets are what does not change.
local function check_key(self, key)
  if type(key) ~= "table" then return end
  local kind <const> = marks.kind(key)
  if kind == "frozenset" then return end
  if kind ~= "tuple" then self:fail(("a %s as a key"):format(kind or "table")) end
  for index = 1, #key do check_key(self, key[index]) end
end

local function put_items(self, list, form)
  local count <const> = #list
  if count == 0 then return end
  self:put(form.before or "")
  for index = 1, count do
    put_value(self, list[index], index)
    if form.each then self:put(form.each) end
  end
  self:put(form.after or "")
end

local function put_list(self, list)
  local form <const> = self.form.list
  self:put(form.open)
  self:keep(list)
  put_items(self, list, form)
end

local function put_dict(self, dict)
  local form <const> = self.form.dict
  self:put(form.open)
  self:keep(dict)
  if next(dict) == nil then return end
  self:put(form.before or "")
  for key, value in next, dict do
    if type(key) ~= "string" then check_key(self, key) end
    put_value(self, key, key)
    put_value(self, value, key)
    if form.each then self:put(form.each) end
  end
  self:put(form.after or "")
end

local function put_tuple(self, tuple)
  local before <const>, after <const> = self.form.tuple(#tuple)
  self:put(before)
  for index = 1, #tuple do put_value(self, tuple[index], index) end
  self:put(after)
  self:keep(tuple)
end

--- As Python did before there were opcodes for sets: its class is called with a list.
local function put_set_by_name(self, set, kind)
  local before <const>, after <const> = self.form.tuple(1)
  self:put(self.form.global(self.protocol < 3 and "__builtin__" or "builtins", kind) .. before .. self.form.list.open)
  put_items(self, set, self.form.list)
  self:put(after .. "R")
  self:keep(set)
end

local function put_set(self, set)
  for index = 1, #set do check_key(self, set[index]) end
  if not self.form.has_sets then return put_set_by_name(self, set, "set") end
  self:put "\x8f"
  self:keep(set)
  put_items(self, set, { before = "(", after = "\x90" })
end

local function put_frozenset(self, set)
  for index = 1, #set do check_key(self, set[index]) end
  if not self.form.has_sets then return put_set_by_name(self, set, "frozenset") end
  self:put "("
  for index = 1, #set do put_value(self, set[index], index) end
  self:put "\x91"
  self:keep(set)
end

local function put_exception(self, value)
  local arguments <const> = type(value.arguments) == "table" and value.arguments or {}
  self:put(self.form.global(names.module_of(value.exception, self.protocol), value.exception))
  put_value(self, marks.tuple(table.move(arguments, 1, #arguments, 1, {})), "arguments")
  self:put "R"
  self:keep(value)
  if type(value.attributes) ~= "table" then return end
  put_value(self, value.attributes, "attributes")
  self:put "b"
end

local putters <const> = {
  list = put_list, dict = put_dict, tuple = put_tuple, set = put_set, frozenset = put_frozenset,
  exception = put_exception,
}

--- A table without a mark is a list when its keys are 1..n, and it is not empty.
local function guess(value)
  local length <const> = #value
  if length == 0 then return "dict" end
  local count = 0
  for key in next, value do
    if math.type(key) ~= "integer" or key < 1 or key > length then return "dict" end
    count = count + 1
  end
  return count == length and "list" or "dict"
end

function writers.table(self, value, key)
  if self.active[value] then self:fail("a cycle", key) end
  if self:put_known(value) then return end
  local level <const> = self.level + 1
  self.level, self.path[level], self.active[value] = level, key or false, true
  if level > self.depth then self:fail "a table that is nested too deep" end
  putters[marks.kind(value) or guess(value)](self, value)
  self.level, self.active[value] = level - 1, nil
end

--- Writes a value; raises when it cannot be written.
---@param value any
---@param options { protocol: integer, depth: integer }
---@return string
return function(value, options)
  local self <const> = setmetatable({
    form = forms[options.protocol], protocol = options.protocol, parts = {}, count = 0, memo = {}, memo_count = 0,
    active = {}, path = {}, level = 0, depth = options.depth,
  }, Writer)
  if options.protocol >= 2 then self:put("\x80" .. string.char(options.protocol)) end
  put_value(self, value)
  self:put "."
  return table.concat(self.parts)
end
