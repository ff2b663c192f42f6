--- From Lua values to the XML of XML-RPC.

local json <const> = require "perigee.codec.json"
local digest <const> = require "core.digest"
local timestamp <const> = require "perigee.codec.timestamp"
require "core.buffer"

local M <const> = {}

local FIRST <const>, LAST <const> = -62135596800, 253402300799 -- seconds of the years 1 and 9999
local ARRAY <const>, OBJECT <const> = getmetatable(json.array {}), getmetatable(json.object {})

---@class perigee.xmlrpc.Encoder
---@field pieces string[]
---@field path (string|integer)[] keys from the value to where the encoder is
---@field depth integer tables around it
---@field limit integer
---@field open table<table, true> those tables
local Encoder <const> = {}
Encoder.__index = Encoder

local function path_text(path, count)
  local pieces <const> = {}
  for i = 1, count do
    local key <const> = path[i]
    if math.type(key) == "integer" then
      pieces[i] = ("[%d]"):format(key)
    else
      pieces[i] = key:find "^[%a_][%w_]*$" and "." .. key or ("[%q]"):format(key)
    end
  end
  return (table.concat(pieces):gsub("^%.", ""))
end

function Encoder:fail(problem)
  local where <const> = path_text(self.path, self.depth)
  error(("cannot encode %s%s%s"):format(problem, where ~= "" and " at " or "", where), 0)
end

local escapes <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ["\r"] = "&#13;" }

--- Can XML 1.0 hold the text? (Production 2, Char)
local function is_text(text)
  return not text:find "[\0-\8\11\12\14-\31]" and utf8.len(text) and not text:find "\xEF\xBF[\xBE\xBF]"
end

local function escape(text)
  return text:find "[&<>\r]" and text:gsub("[&<>\r]", escapes) or text
end

local function base64(bytes)
  return "<value><base64>" .. digest.to_base64(bytes) .. "</base64></value>"
end

local writers <const> = {}

function writers.string(_, value)
  if not is_text(value) then return base64(value) end
  return "<value><string>" .. escape(value) .. "</string></value>"
end

local function float_text(value)
  for precision = 15, 16 do
    local text <const> = ("%%.%dg"):format(precision):format(value)
    if tonumber(text) == value then return text end
  end
  return ("%.17g"):format(value)
end

function writers.number(self, value)
  if math.type(value) == "integer" then
    local tag <const> = value >= -0x80000000 and value <= 0x7FFFFFFF and "int" or "i8"
    return ("<value><%s>%d</%s></value>"):format(tag, value, tag)
  end
  if value ~= value then self:fail "NaN" end
  if value == math.huge or value == -math.huge then self:fail "an infinite number" end
  local text <const> = float_text(value)
  return ("<value><double>%s%s</double></value>"):format(text, text:find "^-?%d+$" and ".0" or "")
end

function writers.boolean(_, value)
  return value and "<value><boolean>1</boolean></value>" or "<value><boolean>0</boolean></value>"
end

writers["nil"] = function() return "<value><nil/></value>" end

function writers.userdata(self, value)
  if value == json.null then return "<value><nil/></value>" end
  local class <const> = debug.getmetatable(value)
  if type(class) ~= "table" or class.__name ~= "perigee.buffer" then
    self:fail(type(class) == "table" and class.__name and "a " .. class.__name or "a userdata")
  end
  return base64(value:cast "u8":string())
end

--- "array" or "struct"; nil when it is neither.
local function shape_of(value)
  local class <const>, length = getmetatable(value), rawlen(value)
  if class == OBJECT or class ~= ARRAY and next(value) == nil then return "struct" end
  local count, strings = 0, 0
  for key in next, value do
    count = count + 1
    if type(key) == "string" then strings = strings + 1 end
  end
  if count == length and strings == 0 then return "array" end -- rawlen is a border: nothing is beyond it then
  return class ~= ARRAY and strings == count and "struct" or nil
end

function Encoder:put(text) self.pieces[#self.pieces + 1] = text end

function Encoder:put_array(value)
  self:put "<value><array><data>"
  for i = 1, rawlen(value) do
    self.path[self.depth] = i
    self:put_value(rawget(value, i))
  end
  self:put "</data></array></value>"
end

function Encoder:key_text(key, is_object)
  if is_object and math.type(key) == "integer" then return tostring(key) end
  if type(key) ~= "string" then self:fail "a table whose keys are neither 1..n nor all strings" end
  if not is_text(key) then self:fail "a key that XML cannot hold" end
  return escape(key)
end

function Encoder:put_struct(value)
  local is_object <const> = getmetatable(value) == OBJECT
  self:put "<value><struct>"
  for key, item in next, value do
    self.depth = self.depth - 1
    local name <const> = self:key_text(key, is_object)
    self.depth = self.depth + 1
    self.path[self.depth] = key
    self:put("<member><name>" .. name .. "</name>")
    self:put_value(item)
    self:put "</member>"
  end
  self:put "</struct></value>"
end

--- Like 19980717T14:08:55.
function Encoder:put_time(value)
  if value.nanoseconds ~= 0 then self:fail "a time with a fraction of a second (XML-RPC has none)" end
  if value.seconds < FIRST or value.seconds > LAST then self:fail "a time that is not in the years 1 to 9999" end
  self:put("<value><dateTime.iso8601>" .. tostring(value):gsub("[-Z]", "") .. "</dateTime.iso8601></value>")
end

function Encoder:put_table(value)
  if timestamp.is_timestamp(value) then return self:put_time(value) end
  local shape <const> = shape_of(value)
  if not shape then self:fail "a table whose keys are neither 1..n nor all strings" end
  if self.open[value] then self:fail "a cycle" end
  if self.depth == self.limit then self:fail "a table that is nested too deep" end
  self.open[value], self.depth = true, self.depth + 1
  self["put_" .. shape](self, value)
  self.open[value], self.depth = nil, self.depth - 1
end

function Encoder:put_value(value)
  local kind <const> = type(value)
  if kind == "table" then return self:put_table(value) end
  local write <const> = writers[kind]
  if not write then self:fail("a " .. kind) end
  self:put(write(self, value))
end

--- Appends a <value> to pieces. Raises for what cannot be encoded, and names where it is.
---@param pieces string[]
---@param value any
---@param depth integer levels of tables that are allowed
---@param ... string|integer how the value is called in messages: keys from something that has a name
function M.append(pieces, value, depth, ...)
  local path <const> = { ... }
  local encoder <const> = { pieces = pieces, path = path, depth = #path, limit = depth + #path, open = {} }
  setmetatable(encoder, Encoder):put_value(value)
end

M.escape, M.is_text = escape, is_text

return M
