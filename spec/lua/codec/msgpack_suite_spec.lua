--- The vectors of the npm package msgpack-test-js: values, and all forms that each may be encoded in.

local buffer <const> = require "perigee.buffer"
local json <const> = require "perigee.codec.json"
local msgpack <const> = require "perigee.codec.msgpack"
local timestamp <const> = require "perigee.codec.timestamp"

local PATH <const> = "build/npm/node_modules/msgpack-test-suite/dist/msgpack-test-suite.json"

local function bytes_of(digits)
  return (digits:gsub("%X", ""):gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
end

-- What each type of the suite is in Lua.
local values <const> = {
  binary = bytes_of,
  bignum = function(text) return math.tointeger(text) or tonumber(text .. ".0") end,
  timestamp = function(pair) return timestamp.new(pair[1], pair[2]) end,
  ext = function(pair) return msgpack.ext(pair[1], bytes_of(pair[2])) end,
}

local function value_of(case)
  for _, kind in ipairs { "nil", "bool", "binary", "bignum", "number", "string", "array", "map", "timestamp", "ext" } do
    local value <const> = case[kind]
    if value ~= nil then
      if values[kind] then return values[kind](value) end
      if value == json.null then return nil end
      return value
    end
  end
end

local function read_cases()
  local file <close> = assert(io.open(PATH), "`make test` installs the suite")
  local cases <const> = {}
  for _, group in pairs(json.decode(file:read "a")) do
    for _, case in ipairs(group) do cases[#cases + 1] = case end
  end
  return cases
end

local function has(list, item)
  for _, other in ipairs(list) do
    if other == item then return true end
  end
  return false
end

describe("the MessagePack test suite", function()
  local cases <const> = read_cases()

  it("is read in all forms of all values", function()
    local forms = 0
    for _, case in ipairs(cases) do
      local expected <const> = value_of(case)
      for _, digits in ipairs(case.msgpack) do
        local value <const>, message <const> = msgpack.decode(bytes_of(digits), { uint64 = "float" })
        assert.is_nil(message, digits)
        assert(value == expected or pcall(assert.same, expected, value), digits)
        forms = forms + 1
      end
    end
    assert.same({ 85, 233 }, { #cases, forms })
  end)

  it("is written in the shortest of the forms of a type", function()
    for _, case in ipairs(cases) do
      local forms <const> = {}
      for i, digits in ipairs(case.msgpack) do forms[i] = bytes_of(digits) end
      local value <const> = value_of(case)
      local encoded <const> = msgpack.encode(case.binary and buffer.from(value) or value)
      if math.type(value) == "float" and math.tointeger(case.number) == nil and case.bignum then
        assert.equal(0xcb, encoded:byte()) -- beyond 64 bits with a sign
      elseif type(value) ~= "table" or not value.a then
        assert(has(forms, encoded), case.msgpack[1])
        if math.type(value) ~= "float" then assert.equal(#forms[1], #encoded, case.msgpack[1]) end
      end
    end
  end)
end)
