--- Completes the name at the end of a line: variables and fields that are there, without calling anything.

local evaluate <const> = require "perigee.console.evaluate"
local pretty <const> = require "perigee.console.pretty"

local LIMIT <const> = 500  -- names that are given
local CLASSES <const> = 10 -- that inherit from each other

local M <const> = {}

-- Reading the path from its end.

local readers <const> = {}

function readers.index(text)
  local rest <const>, number <const> = text:match "^(.*)%[%s*(%d+)%s*%]$"
  return rest, math.tointeger(tonumber(number))
end

function readers.key(text)
  local rest <const>, _, key <const> = text:match "^(.*)%[%s*([\"'])([^\"']*)%2%s*%]$"
  return rest, key
end

function readers.field(text)
  return text:match "^(.*)[.:]([%a_][%w_]*)$"
end

local function read_step(text)
  for _, name in ipairs { "index", "key", "field" } do
    local rest <const>, key <const> = readers[name](text)
    if key ~= nil then return rest, key end
  end
end

--- "rooms.lobby" as a name and keys; nil when it begins with something else, such as a call.
local function read_path(text)
  local keys <const> = {}
  while true do
    local rest <const>, key <const> = read_step(text)
    if not rest then break end
    table.insert(keys, 1, key)
    text = rest
  end
  local before <const>, name <const> = text:match "^(.-)([%a_][%w_]*)$"
  if not name or before:find "[.:%])\"']%s*$" then return nil end
  return name, keys
end

-- Going along it.

--- The methods that a class of the core has behind its __index, which is a function in C.
local function methods_in_c(index)
  if debug.getinfo(index, "S").what ~= "C" then return nil end
  local _, methods <const> = debug.getupvalue(index, 1)
  return type(methods) == "table" and methods or nil
end

--- The table that a value's fields are looked up in next.
local function class_of(value)
  local metatable <const> = debug.getmetatable(value)
  local index <const> = metatable and rawget(metatable, "__index")
  if type(index) == "table" then return index end
  return type(index) == "function" and methods_in_c(index) or nil
end

--- The tables in which the fields of a value are, without calling anything.
local function tables_of(value)
  local tables <const> = {}
  local object = type(value) == "table" and value or class_of(value)
  while object and #tables < CLASSES do
    tables[#tables + 1] = object
    object = class_of(object)
  end
  return tables
end

local function field_of(value, key)
  for _, object in ipairs(tables_of(value)) do
    local field <const> = rawget(object, key)
    if field ~= nil then return field end
  end
end

local function follow(names, path)
  local name <const>, keys <const> = read_path(path)
  if not name then return nil end
  local value = names:get(name)
  for _, key in ipairs(keys) do
    if value == nil then return nil end
    value = field_of(value, key)
  end
  return value
end

-- What there is.

local function add_fields(found, value, only_functions)
  for _, object in ipairs(tables_of(value)) do
    for key, field in next, object do
      if pretty.is_name(key) and (not only_functions or type(field) == "function") then found[key] = true end
    end
  end
end

local function candidates(names, before, separator)
  if separator == "" then
    local found <const> = names:all()
    for word in pairs(pretty.keywords) do found[word] = true end
    return found
  end
  local found <const>, value <const> = {}, follow(names, before)
  if value ~= nil then add_fields(found, value, separator == ":") end
  return found
end

--- Metamethods are left out until they are asked for.
local function matching(found, beginning)
  local list <const> = {}
  for name in pairs(found) do
    local is_hidden <const> = name:find "^__" and beginning == ""
    if name:sub(1, #beginning) == beginning and not is_hidden then list[#list + 1] = name end
  end
  table.sort(list)
  return table.move(list, 1, math.min(#list, LIMIT), 1, {})
end

--- Whole names for the unfinished one at the end of a line: of variables, or of the fields of what stands before it.
---@param names perigee.console.Names
---@param text string "print(rooms.lob"
---@return string[] sorted
function M.names(names, text)
  local before <const>, dot <const>, beginning <const> = text:match "^(.-)([.:]?)([%w_]*)$"
  local separator <const> = before:find "%.$" and "" or dot -- in a..b it is b that is unfinished
  return matching(candidates(names, before, separator), beginning)
end

--- The command.
---@param run perigee.service.Run
---@param request { session: string, service: string?, text: string }
---@return table answer { ok = true, names = }
function M.complete(run, request)
  local session <const>, names <const>, code <const> = evaluate.open(run, request)
  if not session then return { ok = false, message = names, code = code } end
  if type(request.text) ~= "string" then
    return { ok = false, message = "the request has no text", code = "protocol" }
  end
  names:refresh()
  local found <const> = M.names(names, request.text)
  names:refresh()
  return { ok = true, names = found }
end

return M
