--- The locals of a script's main chunk, after it has run: they live on as upvalues of the script's functions, which are
--- found by walking from what its generation holds, from the handlers that the core holds, and from running tasks.

local captures <const> = require "perigee.console.captures"
local core <const> = require "core.task"

local BUDGET <const> = 50000 -- values that are looked at
local THREADS <const> = 1000 -- tasks whose functions are looked at

--- A local: get() gives its value, set(value) assigns it, for all functions that use it.
---@class perigee.console.Local
---@field get fun(): any
---@field set fun(value: any)
---@field register integer a later local of the same name has a higher one

---@class perigee.console.Walk
---@field source string what the script's functions have as their source
---@field environment table the globals of the generation
---@field captures perigee.console.Captures
---@field found table<string, perigee.console.Local> by name
---@field places table<string, true> which of the captures were found
---@field left integer of the captures
---@field budget integer
---@field seen table<any, true>
---@field functions { value: function, trusted: boolean }[] to be looked at, before
---@field others { value: any, trusted: boolean }[]
local Walk <const> = {}
Walk.__index = Walk

--- Shares the upvalue alone, so that holding the local holds nothing else of the function.
local function join(f, index, register)
  local value
  local function get() return value end
  local function set(new) value = new end
  debug.upvaluejoin(get, 1, f, index)
  debug.upvaluejoin(set, 1, f, index)
  return { get = get, set = set, register = register }
end

function Walk:record(f, index, name, register)
  local place <const> = register .. " " .. name
  if self.places[place] then return end
  self.places[place] = true
  self.left = self.left - 1
  local known <const> = self.found[name]
  if not known or known.register < register then self.found[name] = join(f, index, register) end
end

--- `trusted`: a function without globals is taken for one of this generation.
function Walk:push(value, trusted)
  local kind <const> = type(value)
  if kind ~= "function" and kind ~= "table" and kind ~= "userdata" or self.seen[value] then return end
  self.seen[value] = true
  local queue <const> = kind == "function" and self.functions or self.others
  queue[#queue + 1] = { value = value, trusted = trusted }
end

local function globals_of(f)
  local index = 1
  while true do
    local name <const>, value <const> = debug.getupvalue(f, index)
    if not name or name == "_ENV" then return value end
    index = index + 1
  end
end

--- Is it a function of the script, of this generation? nil: it is not the script's.
local function is_ours(self, f, info, trusted)
  if info.source ~= self.source then return nil end
  local globals <const> = globals_of(f)
  if globals == nil then return trusted end
  return rawequal(globals, self.environment)
end

--- Functions of others lead to what is theirs, of which there may be much.
local function leads_on(self, f, info)
  local source <const> = info.source
  return source == "=[C]" or source:find "^@perigee/" ~= nil or source:find "/lua/perigee/" ~= nil
    or rawequal(globals_of(f), self.environment)
end

function Walk:visit_function(f, trusted)
  local info <const> = debug.getinfo(f, "Su")
  local ours <const> = is_ours(self, f, info, trusted)
  if ours == false or ours == nil and not leads_on(self, f, info) then return end
  local registers <const> = ours and captures.of(self.captures, info) or {}
  for index = 1, info.nups do
    local name <const>, value <const> = debug.getupvalue(f, index)
    if registers[index] then self:record(f, index, name, registers[index]) end
    self:push(value, ours or trusted)
  end
end

function Walk:visit_table(object, trusted)
  self:push(debug.getmetatable(object), trusted)
  for key, value in next, object do
    self:push(key, trusted)
    self:push(value, trusted)
    self.budget = self.budget - 1
    if self.budget <= 0 then return end
  end
end

function Walk:visit_userdata(object, trusted)
  for n = 1, 8 do
    local value <const>, has <const> = debug.getuservalue(object, n)
    if not has then return end
    self:push(value, trusted)
  end
end

function Walk:is_over()
  return self.left <= 0 or self.budget <= 0
end

--- Functions first: they lead to the others soonest.
function Walk:run()
  while not self:is_over() do
    local item <const> = table.remove(self.functions) or table.remove(self.others)
    if not item then return end
    self.budget = self.budget - 1
    local visit <const> = self["visit_" .. type(item.value)]
    visit(self, item.value, item.trusted)
  end
end

-- Where it begins.

--- What belongs to all generations, or to the library, is no way to this one's functions.
local function new_seen(generation)
  local seen <const> = { [_G] = true, [package.loaded] = true, [generation] = true, [generation.service] = true }
  for _, module in pairs(package.loaded) do seen[module] = true end
  for _, state in pairs(generation.service.states or {}) do
    if state.value ~= nil then seen[state.value] = true end
  end
  return seen
end

local function push_own(self, generation)
  self:push(generation.environment, true)
  for name, value in pairs(generation) do
    if name ~= "service" and name ~= "scope" and name ~= "sources" then self:push(value, true) end
  end
  self:run()
end

local function is_only(generation)
  for other in pairs(generation.service.generations or {}) do
    if not rawequal(other, generation) then return false end
  end
  return true
end

--- Handlers that the core calls are references in the registry.
local function push_handlers(self, trusted)
  for key, value in pairs(debug.getregistry()) do
    if math.type(key) == "integer" and type(value) == "function" then self:push(value, trusted) end
  end
  self:run()
end

local function push_thread(self, thread, trusted)
  local level = 0
  while true do
    local info <const> = debug.getinfo(thread, level, "f")
    if not info then return end
    self:push(info.func, trusted)
    level = level + 1
  end
end

local function push_tasks(self, trusted)
  for count, task in ipairs(core.list()) do
    if count > THREADS then break end
    push_thread(self, task.thread, trusted)
  end
  self:run()
end

local M <const> = {}

--- Finds the locals that functions of the generation still use. Nothing is called, and no value is held but theirs.
---@param generation perigee.service.Generation
---@return table<string, perigee.console.Local> locals by name
function M.of(generation)
  local path <const> = generation.path
  local read <const> = captures.read(generation.sources.texts[path] or "")
  local walk <const> = setmetatable({ source = "@" .. path, environment = generation.environment, captures = read,
    found = {}, places = {}, left = read.count, budget = BUDGET, seen = new_seen(generation), functions = {},
    others = {} }, Walk)
  push_own(walk, generation)
  local trusted <const> = is_only(generation)
  if not walk:is_over() then push_handlers(walk, trusted) end
  if not walk:is_over() then push_tasks(walk, trusted) end
  return walk.found
end

return M
