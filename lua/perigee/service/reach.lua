--- The way from one value to another through all that keeps values alive: tables, metatables, upvalues, user values,
--- and stacks. It is looked for breadth first, so the shortest way is found.

local M <const> = {}

---@class perigee.service.Search
---@field budget integer objects that may still be visited
---@field targets table<any, string> what is looked for, and what it is called
---@field objects any[] that were found, in the order that they are visited
---@field parents integer[] the index of the object that each was found in
---@field labels string[] how each is called there: ".join", "[1]"
---@field seen table<any, boolean>
---@field found integer? the index of a target
local Search <const> = {}
Search.__index = Search

local COLLECTED <const> = { table = true, ["function"] = true, userdata = true, thread = true }
local LONGEST_KEY <const> = 40
local PAUSE <const> = 10000 -- objects between two pauses

local function key_label(key)
  if math.type(key) == "integer" or type(key) == "boolean" then return ("[%s]"):format(key) end
  if type(key) ~= "string" then return ("[%s]"):format(type(key) == "number" and key or "a " .. type(key)) end
  if key:find "^[%a_][%w_]*$" then return "." .. key end
  return ("[%q]"):format(#key > LONGEST_KEY and key:sub(1, LONGEST_KEY) .. "..." or key):gsub("\\\n", "\\n")
end

function Search:add(value, label, parent)
  if not COLLECTED[type(value)] or self.seen[value] then return end
  local index <const> = #self.objects + 1
  self.seen[value] = true
  self.objects[index], self.labels[index], self.parents[index] = value, label, parent
  if self.targets[value] then self.found = self.found or index end
end

-- A value in a table with weak keys lives by its key.
local function is_held(self, key, mode)
  return not mode:find "v" and (not mode:find "k" or not COLLECTED[type(key)] or self.seen[key])
end

local function expand_table(self, object, index)
  local metatable <const> = debug.getmetatable(object)
  local named <const> = metatable and rawget(metatable, "__mode")
  local mode <const> = type(named) == "string" and named or ""
  for key, value in next, object do
    if not mode:find "k" then self:add(key, " (a key)", index) end
    if COLLECTED[type(value)] and is_held(self, key, mode) then self:add(value, key_label(key), index) end
    if self.found or #self.objects > self.budget then return end
  end
  self:add(metatable, " (metatable)", index)
end

local function expand_function(self, object, index)
  local at = 1
  local name, value = debug.getupvalue(object, at)
  while name do
    self:add(value, (" (upvalue %s)"):format(name == "" and at or name), index)
    at = at + 1
    name, value = debug.getupvalue(object, at)
  end
end

local function expand_userdata(self, object, index)
  local at = 1
  local value, exists = debug.getuservalue(object, at)
  while exists do
    self:add(value, (" (user value %d)"):format(at), index)
    at = at + 1
    value, exists = debug.getuservalue(object, at)
  end
  self:add(debug.getmetatable(object), " (metatable)", index)
end

local function expand_frame(self, thread, level, index)
  local at = 1
  local name, value = debug.getlocal(thread, level, at)
  while name do
    self:add(value, (" (local %s)"):format(name), index)
    at = at + 1
    name, value = debug.getlocal(thread, level, at)
  end
end

local function expand_thread(self, object, index)
  local level = 0
  local info = debug.getinfo(object, level, "f")
  while info do
    self:add(info.func, " (stack)", index)
    expand_frame(self, object, level, index)
    level = level + 1
    info = debug.getinfo(object, level, "f")
  end
end

local EXPAND <const> = { table = expand_table, ["function"] = expand_function, userdata = expand_userdata,
  thread = expand_thread }

local function path_to(self, index)
  local parts <const> = {}
  while index do
    table.insert(parts, 1, self.labels[index])
    index = self.parents[index]
  end
  return table.concat(parts)
end

--- "a function of chat.lua:62".
---@param f function
---@return string
function M.function_text(f)
  local info <const> = debug.getinfo(f, "S")
  if info.what == "C" then return "a function in C" end
  return ("a function of %s:%d"):format(info.source:gsub("^[@=]", ""):match "[^/\n]*$", info.linedefined)
end

local function describe(self)
  local index <const> = self.found
  local parent <const> = self.parents[index]
  local holder <const> = parent and self.objects[parent]
  if type(holder) == "function" then return path_to(self, parent) .. ", " .. M.function_text(holder) end
  return path_to(self, index) .. ", " .. self.targets[self.objects[index]]
end

--- Looks for the targets in all that a value keeps alive.
---@param value any
---@param name string what the value is called: with it the way begins
---@param targets table<any, string> what is looked for, and what it is called
---@param budget integer objects to visit at most
---@param pause fun()? is called now and then
---@return string? way "rooms.lobby.clients[1] (metatable).__index.join, a function of chat.lua:62"
---@return integer visited objects; more than the budget: it was given up
function M.find(value, name, targets, budget, pause)
  local self <const> = setmetatable({ budget = budget, targets = targets, objects = {}, parents = {}, labels = {},
    seen = {} }, Search)
  self:add(value, name)
  local index = 1
  while index <= #self.objects and not self.found and #self.objects <= budget do
    local object <const> = self.objects[index]
    EXPAND[type(object)](self, object, index)
    index = index + 1
    if pause and index % PAUSE == 0 then pause() end
  end
  return self.found and describe(self) or nil, #self.objects
end

return M
