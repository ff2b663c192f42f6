--- The names that a line of the console knows. In this order: the session's variables, the service's state, the locals
--- of the script's main chunk, its globals with the standard library, and what the console adds.
---
--- A line assigns to whatever it reads: to a state, to a local, to a global of the script, for everybody who uses it.
--- Other names are variables of the session. A `local` of a line ends with the line.

local locals <const> = require "perigee.console.locals"
local outputs <const> = require "perigee.console.output"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

--- It holds no generation: it asks the service which one serves.
---@class perigee.console.Names
---@field service perigee.Service
---@field variables table<string, any>
---@field provided table<string, any>
---@field output perigee.console.Output
---@field printer fun(...) print, of the line
---@field environment table what a line gets as its globals
---@field locals table<perigee.service.Generation, table<string, perigee.console.Local>> its keys are weak
local Names <const> = {}
Names.__index = Names

--- The locals of the generation that serves.
function Names:current_locals()
  local generation <const> = self.service.generation
  if not generation then return {} end
  if not self.locals[generation] then self.locals[generation] = locals.of(generation) end
  return self.locals[generation]
end

--- To be called before a line, since the script may have made functions meanwhile, and after it: nothing is held then.
function Names:refresh()
  self.locals = setmetatable({}, { __mode = "k" })
end

function Names:state(name)
  return (self.service.states or {})[name]
end

function Names:globals()
  return self.service.generation and self.service.generation.environment or {}
end

--- The standard print and io are the line's own.
function Names:global(name)
  local value <const> = rawget(self:globals(), name)
  if name == "print" and rawequal(value, print) then return self.printer end
  if name == "io" and type(value) == "table" then return self.output:library(value) end
  return value
end

--- The value of a name, without calling anything.
---@param name string
---@return any
function Names:get(name)
  if self.variables[name] ~= nil then return self.variables[name] end
  local state <const> = self:state(name)
  if state then return state.value end
  local found <const> = self:current_locals()[name]
  if found then return found.get() end
  local value <const> = self:global(name)
  if value ~= nil then return value end
  return self.provided[name]
end

local function is_script_global(self, name)
  return rawget(self:globals(), name) ~= nil and rawget(_G, name) == nil
end

--- A local that holds the state goes with it.
local function set_state(self, name, state, value)
  local same <const> = self:current_locals()[name]
  if same and rawequal(same.get(), state.value) then same.set(value) end
  state.value = value
end

---@param name string
---@param value any
function Names:set(name, value)
  local state <const>, found <const> = self:state(name), self:current_locals()[name]
  if self.variables[name] ~= nil then
    self.variables[name] = value
  elseif state then
    set_state(self, name, state, value)
  elseif found then
    found.set(value)
  elseif is_script_global(self, name) then
    rawset(self:globals(), name, value)
  else
    self.variables[name] = value
  end
end

--- All names that there are, in no order.
---@return table<string, true>
function Names:all()
  local all <const> = {}
  local sets <const> = { self.variables, self.service.states or {}, self:current_locals(), self:globals(),
    self.provided }
  for _, set in ipairs(sets) do
    for name in next, set do
      if type(name) == "string" then all[name] = true end
    end
  end
  return all
end

--- A script may have given its globals a metatable, which then has the last word.
local function index(self, name)
  local value <const> = self:get(name)
  if value ~= nil or self:state(name) or self:current_locals()[name] then return value end
  return self:globals()[name]
end

local M <const> = {}

---@param of perigee.Service
---@param reload fun(name: string?)
---@return perigee.console.Names
function M.new(of, reload)
  local output <const> = outputs.new()
  local self <const> = setmetatable({ service = of, variables = {}, output = output, printer = output:printer(print),
    provided = { service = service, task = task, reload = reload } }, Names)
  self:refresh()
  self.environment = setmetatable({}, {
    __index = function(_, name) return index(self, name) end,
    __newindex = function(_, name, value) self:set(name, value) end,
  })
  return self
end

return M
