--- The stack machine that a pickle is a program of: its stack with marks, its memo, and what it has made so far.

local failure <const> = require "perigee.codec.pickle.failure"
local marks <const> = require "perigee.codec.pickle.marks"

local invalid <const> = failure.invalid

---@class perigee.pickle.Machine
---@field text string
---@field stack any[]
---@field top integer
---@field base integer the top at the last mark: what is below belongs to those before
---@field marks integer[] the bases before
---@field memo table<integer, any>
---@field memo_count integer
---@field kinds table<table, perigee.pickle.kind> all tables that were made
---@field hashable table<table, boolean> of tuples that were keys
---@field odd table<table, true> of the dicts those with keys that are no strings
---@field numbers table<table, perigee.pickle.Numbers> among the keys of dicts
---@field count integer of tables
---@field repeated integer what strings weigh that were taken out of the memo
---@field is_shared boolean a table may be in two places
---@field makers table<table, string>? what the pickle has named: never a part of the value
---@field binary "string"|"buffer"
---@field exceptions boolean
---@field depth integer
---@field limit integer steps: opcodes, and what values weigh that are in several places
local Machine <const> = {}
Machine.__index = Machine

local TABLE_WEIGHT <const> = 8   -- a table counts as so many steps
local STRING_WEIGHT <const> = 16 -- so many bytes of a string that is repeated count as one

---@param text string
---@param options { binary: "string"|"buffer", exceptions: boolean, depth: integer, limit: integer }
---@return perigee.pickle.Machine
function Machine.new(text, options)
  return setmetatable({
    text = text, stack = {}, top = 0, base = 0, marks = {}, memo = {}, memo_count = 0, kinds = {}, odd = {},
    hashable = {}, numbers = {}, count = 0, repeated = 0, is_shared = false, binary = options.binary,
    exceptions = options.exceptions, depth = options.depth, limit = options.limit,
  }, Machine)
end

function Machine:exceed()
  failure.raise("limit", ("a pickle of more than %d steps"):format(self.limit))
end

function Machine:push(value)
  local top <const> = self.top + 1
  self.top, self.stack[top] = top, value
end

---@param position integer of the opcode, for the message
---@return any
function Machine:pop(position)
  local top <const> = self.top
  if top <= self.base then invalid(position, "nothing is on the stack") end
  self.top = top - 1
  return self.stack[top]
end

---@param position integer
---@return any
function Machine:peek(position)
  if self.top <= self.base then invalid(position, "nothing is on the stack") end
  return self.stack[self.top]
end

function Machine:too_deep()
  failure.raise("protocol", ("invalid pickle: it is nested deeper than %d"):format(self.depth))
end

function Machine:mark()
  if #self.marks > self.depth then self:too_deep() end
  self.marks[#self.marks + 1] = self.base
  self.base = self.top
end

--- Takes what is above the last mark off the stack: it is at first to last there, until something is pushed.
---@param position integer
---@return integer first
---@return integer last
function Machine:pop_mark(position)
  local count <const> = #self.marks
  if count == 0 then invalid(position, "there is no mark") end
  local first <const>, last <const> = self.base + 1, self.top
  self.top, self.base = self.base, self.marks[count]
  self.marks[count] = nil
  return first, last
end

--- A new table of a kind is counted.
---@param value table
---@param kind perigee.pickle.kind
---@return table value
function Machine:made(value, kind)
  self.count = self.count + 1
  if self.count > self.limit // TABLE_WEIGHT then self:exceed() end
  self.kinds[value] = kind
  return value
end

--- The value on top, which something is to be added to.
---@param kind perigee.pickle.kind
---@param position integer
---@return table
function Machine:peek_kind(kind, position)
  local value <const> = self:peek(position)
  if self.kinds[value] ~= kind then invalid(position, "there is no %s to add to", kind) end
  return value
end

--- What was named is no value.
---@param position integer
---@param first integer? places on the stack; default: the top
---@param last integer?
function Machine:check_values(position, first, last)
  if not self.makers then return end
  for index = first or self.top, last or self.top do
    local named <const> = self.makers[self.stack[index]]
    if named then failure.denied(position, named.name) end
  end
end

--- What a value that is in one place more weighs, in values.
local function weight_of(value)
  local kind <const> = type(value)
  return (kind == "string" or kind == "userdata" and value ~= marks.null) and #value // STRING_WEIGHT or 0
end

--- Pushes a value that is elsewhere, too.
---@param value any
function Machine:push_again(value)
  if self.kinds[value] then self.is_shared = true end
  self.repeated = self.repeated + weight_of(value)
  if self.repeated > self.limit then self:exceed() end
  self:push(value)
end

--- Of a value in which no table is in two places.
local function check_depth(self, value, level)
  if level > self.depth then self:too_deep() end
  for key, item in next, value do
    if type(item) == "table" then check_depth(self, item, level + 1) end
    if type(key) == "table" then check_depth(self, key, level + 1) end
  end
end

local measure

local function measure_part(self, part, level)
  if type(part) ~= "table" then return 0, 1 + weight_of(part) end
  return measure(self, part, level)
end

--- How deep a table is, and what it weighs when what is shared is counted each time: whoever goes through it meets as
--- much.
function measure(self, value, level)
  local height, weight = self.heights[value], self.weights[value]
  if height == 0 then failure.raise("protocol", "invalid pickle: a value that contains itself") end
  if level + (height or 1) - 1 > self.depth then self:too_deep() end
  if height then return height, weight end
  height, weight = 1, TABLE_WEIGHT
  self.heights[value] = 0
  for key, item in next, value do
    local below <const>, more <const> = measure_part(self, item, level + 1)
    local below_key <const>, more_key <const> = measure_part(self, key, level + 1)
    height, weight = math.max(height, below + 1, below_key + 1), weight + more + more_key
    if weight > self.limit then self:exceed() end
  end
  self.heights[value], self.weights[value] = height, weight
  return height, weight
end

--- Raises when the value is deeper than allowed, contains itself, or weighs too much.
---@param value any
function Machine:check_tree(value)
  if type(value) ~= "table" then return end
  if self.is_shared then
    self.heights, self.weights = {}, {}
    measure(self, value, 1)
  elseif self.count > self.depth then
    check_depth(self, value, 1)
  end
end

--- Gives the tables their marks.
function Machine:finish()
  for value, kind in next, self.kinds do
    if kind == "list" then
      if value[1] == nil then marks.list(value) end
    elseif self.odd[value] then
      marks.dict(value)
    end
  end
end

return Machine
