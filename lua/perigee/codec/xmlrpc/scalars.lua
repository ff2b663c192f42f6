--- The elements of XML-RPC that hold one value, and how their text is read.

local buffer <const> = require "core.buffer"
local digest <const> = require "core.digest"
local null <const> = require "perigee.codec.json".null
local timestamp <const> = require "perigee.codec.timestamp"

--- Of whoever reads: fail(problem, code) raises.
---@class perigee.xmlrpc.Reader
---@field binary "string"|"buffer" what base64 becomes
---@field fail fun(self, problem: string, code: string?)

-- Those of Apache's extensions (ex:nil, ex:i8) are the same as those without a prefix.
local names <const> = {}
for name in ("string int i4 i8 i1 i2 biginteger double float boolean base64 dateTime.iso8601 nil"):gmatch "%S+" do
  names[name], names["ex:" .. name] = name, name
end

local read <const> = {} ---@type table<string, fun(self: perigee.xmlrpc.Reader, text: string): any>

local function integer(self, text)
  if not text:find "^[+-]?%d+$" then self:fail "an integer expected" end
  local value <const> = tonumber(text) -- a float when it does not fit in 64 bits
  if math.type(value) ~= "integer" then self:fail("an integer that is too large", "limit") end
  return value
end

for _, name in ipairs { "int", "i4", "i8", "i1", "i2", "biginteger" } do read[name] = integer end

local function double(self, text)
  local mantissa <const>, exponent <const> = text:match "^[+-]?([%d.]+)(.*)$"
  if not mantissa or not mantissa:find "^%d*%.?%d*$" or not mantissa:find "%d"
    or exponent ~= "" and not exponent:find "^[eE][+-]?%d+$" then
    self:fail "a decimal number expected"
  end
  local value <const> = tonumber(exponent == "" and text .. "e0" or text) -- a float also of "-0"
  if value == math.huge or value == -math.huge then self:fail("a number that is too large", "limit") end
  return value
end

read.double, read.float = double, double

function read.boolean(self, text)
  if text ~= "0" and text ~= "1" then self:fail "0 or 1 expected" end
  return text == "1"
end

function read.string(_, text) return text end

function read.base64(self, text)
  local bytes <const> = digest.from_base64((text:gsub("[ \t\r\n]+", "")))
  if not bytes then self:fail "base64 expected" end
  return self.binary == "buffer" and buffer.from(bytes) or bytes
end

read["dateTime.iso8601"] = function(self, text)
  return timestamp.parse(text) or self:fail "a time like 19980717T14:08:55 expected"
end

read["nil"] = function(self, text)
  if text ~= "" then self:fail "text in <nil>" end
  return null
end

---@class perigee.xmlrpc.scalars
---@field names table<string, string> what an element's name stands for
---@field read table<string, fun(self: perigee.xmlrpc.Reader, text: string): any> by what its name stands for
return { names = names, read = read }
