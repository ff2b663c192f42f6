--- What tells Python's types apart that are all tables here: a mark is a metatable without any effect of its own.

local json <const> = require "core.json"

local M <const> = { null = json.null }

---@alias perigee.pickle.kind "list"|"dict"|"tuple"|"set"|"frozenset"|"exception"

local Tuple <const> = { __name = "perigee.pickle.tuple" }
local Set <const> = { __name = "perigee.pickle.set" }
local Frozenset <const> = { __name = "perigee.pickle.frozenset" }
local Dict <const> = { __name = "perigee.pickle.dict" }

--- An exception of Python's builtins.
---@class perigee.pickle.Exception
---@field exception string its class: "KeyError"
---@field arguments any[] what it was made with; the first one is mostly its message
---@field attributes table<string, any>? set on it afterwards, such as __notes__
local Exception <const> = { __name = "perigee.pickle.Exception" }

function Exception:__tostring()
  local first <const> = self.arguments[1]
  return first == nil and self.exception or ("%s: %s"):format(self.exception, tostring(first))
end

local Array <const> = getmetatable(json.array {})

---@type table<table, perigee.pickle.kind>
local kinds <const> = {
  [Tuple] = "tuple", [Set] = "set", [Frozenset] = "frozenset", [Dict] = "dict", [Exception] = "exception",
  [Array] = "list", [getmetatable(json.object {})] = "dict",
}

--- What a table is marked as.
---@param value table
---@return perigee.pickle.kind? kind nil: it bears no mark
function M.kind(value)
  return kinds[getmetatable(value)]
end

local function marker(metatable)
  return function(value)
    if type(value) ~= "table" then error("bad argument 't' (a table expected)", 2) end
    local present <const> = getmetatable(value)
    if present ~= nil and not kinds[present] then error("bad argument 't' (it has a metatable of its own)", 2) end
    return setmetatable(value, metatable)
  end
end

M.list, M.tuple, M.set, M.frozenset = marker(Array), marker(Tuple), marker(Set), marker(Frozenset)
M.dict, M.raised = marker(Dict), marker(Exception)

return M
