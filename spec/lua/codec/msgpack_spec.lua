local helper <const> = require "spec.helper"
local buffer <const> = require "perigee.buffer"
local json <const> = require "perigee.codec.json"
local msgpack <const> = require "perigee.codec.msgpack"
local timestamp <const> = require "perigee.codec.timestamp"

local function bytes_of(digits)
  return (digits:gsub("%X", ""):gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
end

local function digits_of(bytes)
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local function assert_encoded(digits, value)
  assert.equal(digits, digits_of(msgpack.encode(value)))
end

local function assert_unencodable(message, value)
  local ok <const>, raised <const> = pcall(msgpack.encode, value)
  assert.is_false(ok)
  assert.equal("cannot encode " .. message, raised)
end

--- The value and the type of what that is decoded to.
local function decoded(digits, options)
  local value <const> = msgpack.decode(bytes_of(digits), options)
  return value, math.type(value) or type(value)
end

describe("msgpack.encode", function()
  it("writes integers in the shortest form", function()
    for digits, value in pairs {
      ["00"] = 0, ["7f"] = 127, ["cc80"] = 128, ["ccff"] = 255, ["cd0100"] = 256, ["cdffff"] = 65535,
      ["ce00010000"] = 65536, ["ceffffffff"] = 0xffffffff, ["cf0000000100000000"] = 0x100000000,
      ["cf7fffffffffffffff"] = math.maxinteger, ["ff"] = -1, ["e0"] = -32, ["d0df"] = -33, ["d080"] = -128,
      ["d1ff7f"] = -129, ["d18000"] = -32768, ["d2ffff7fff"] = -32769, ["d280000000"] = -0x80000000,
      ["d3ffffffff7fffffff"] = -0x80000001, ["d38000000000000000"] = math.mininteger,
    } do
      assert_encoded(digits, value)
      assert.same({ value, "integer" }, { decoded(digits) })
    end
  end)

  it("writes floats with 64 bits, also integral ones", function()
    for digits, value in pairs {
      ["cb3ff0000000000000"] = 1.0, ["cb8000000000000000"] = -0.0, ["cb3fb999999999999a"] = 0.1,
      ["cb7ff0000000000000"] = math.huge, ["cbfff0000000000000"] = -math.huge, ["cb0000000000000001"] = 5e-324,
    } do
      assert_encoded(digits, value)
      assert.same({ value, "float" }, { decoded(digits) })
    end
    local nan <const> = msgpack.decode(msgpack.encode(0 / 0))
    assert.is_true(nan ~= nan)
    assert.equal(-math.huge, 1 / decoded "cb8000000000000000")
  end)

  it("writes nil, null and booleans", function()
    assert_encoded("c0", nil)
    assert_encoded("c0", msgpack.null)
    assert_encoded("93c0c3c2", { json.null, true, false })
    assert.equal(json.null, msgpack.null)
    assert.error_matches(function() msgpack.encode() end, "value expected")
  end)

  it("writes what is UTF-8 as text, and other strings as binary", function()
    assert_encoded("a0", "")
    assert_encoded("a3c3a961", "éa")
    assert_encoded("c401ff", "\xff")
    assert_encoded("c404eda08061", "\xed\xa0\x80a")
    assert_encoded("a2007f", "\0\x7f")
    for _, length in ipairs { 7, 8, 15, 16, 17, 31, 32, 40 } do
      for at = 1, length do
        local text <const> = ("x"):rep(at - 1) .. "\x80" .. ("x"):rep(length - at)
        assert.equal(0xc4, msgpack.encode(text):byte())
      end
    end
  end)

  it("writes the shortest head for each length", function()
    local function assert_head(digits, value)
      assert.equal(digits, digits_of(msgpack.encode(value):sub(1, #digits // 2)))
      assert.same(value, msgpack.decode(msgpack.encode(value)))
    end
    for length, digits in pairs { [31] = "bf78", [32] = "d92078", [255] = "d9ff78", [256] = "da010078",
      [65535] = "daffff78", [65536] = "db0001000078" } do
      assert_head(digits, ("x"):rep(length))
    end
    for length, digits in pairs { [1] = "c401", [255] = "c4ff", [256] = "c50100", [65536] = "c600010000" } do
      assert_head(digits, ("\xff"):rep(length))
    end
    for count, digits in pairs { [1] = "9107", [15] = "9f07", [16] = "dc001007", [65535] = "dcffff07",
      [65536] = "dd0001000007" } do
      local list <const> = {}
      for i = 1, count do list[i] = 7 end
      assert_head(digits, list)
    end
    for count, digits in pairs { [1] = "81", [15] = "8f", [16] = "de0010", [65535] = "deffff",
      [65536] = "df00010000" } do
      local map <const> = {}
      for i = 1, count do map["key " .. i] = i end
      assert_head(digits, map)
    end
  end)

  it("tells arrays from maps by their keys", function()
    assert_encoded("93030201", { 3, 2, 1 })
    assert_encoded("950102030405", { [5] = 5, [3] = 3, [1] = 1, [2] = 2, [4] = 4 })
    assert_encoded("80", {})
    assert_encoded("8105a178", { [5] = "x" })
    for _, value in ipairs {
      { 1, nil, 3 }, { 1, x = 1 }, { x = 1, [2] = 1 }, { [0] = 1 }, { [-1] = 1, [1.5] = 2, [true] = 3, [false] = 4 },
      { { 1 }, nil, { 3 } }, { { 1 }, { 2 }, x = { 1 } }, { 1, 2, 3, { 4 }, [7] = 1 },
    } do
      local encoded <const> = msgpack.encode(value)
      assert.equal(0x80, encoded:byte() & 0xf0)
      assert.same(value, msgpack.decode(encoded))
    end
  end)

  it("writes a list in whatever order Lua keeps it", function()
    for count = 1, 70 do
      local values <const>, expected <const> = {}, {}
      for i = count, 1, -1 do values[i] = i % 3 == 0 and { i } or i end
      for i = 1, count do expected[i] = i % 3 == 0 and { i } or i end
      assert.equal(digits_of(msgpack.encode(expected)), digits_of(msgpack.encode(values)))
      values[count + 2] = 1
      assert.same(values, msgpack.decode(msgpack.encode(values)))
    end
  end)

  it("follows the marks of arrays and objects", function()
    assert_encoded("90", json.array {})
    assert_encoded("9101", json.array { 1 })
    assert_encoded("80", json.object {})
    assert_encoded("8101a178", json.object { "x" })
    assert_unencodable("an array whose keys are not 1..n at a", { a = json.array { x = 1 } })
    assert_unencodable("an array whose keys are not 1..n", json.array { 1, nil, 3 })
    for _, digits in ipairs { "90", "80", "929080", "81a16190" } do
      assert_encoded(digits, (decoded(digits)))
    end
    assert.equal("[]", json.encode((decoded "90")))
  end)

  it("writes buffers as binary", function()
    assert_encoded("c403616263", buffer.from "abc")
    assert_encoded("c40407000800", (function()
      local array <const> = buffer.array("u16", 2)
      array[1], array[2] = 7, 8
      return array
    end)())
    assert_encoded("81a162c400", { b = buffer.new(0) })
  end)

  it("writes extensions and timestamps", function()
    for digits, ext in pairs {
      ["d40510"] = msgpack.ext(5, "\x10"), ["d5802021"] = msgpack.ext(-128, "\x20\x21"),
      ["c7007f"] = msgpack.ext(127, ""), ["c70301616263"] = msgpack.ext(1, "abc"),
    } do
      assert_encoded(digits, ext)
      assert.equal(ext, decoded(digits))
    end
    for _, length in ipairs { 4, 8, 16, 17, 255, 256, 65535, 65536 } do
      local ext <const> = msgpack.ext(9, ("x"):rep(length))
      assert.equal(ext, msgpack.decode(msgpack.encode(ext)))
    end
    assert_encoded("92d6ff00000001d6ff00000002", { timestamp.new(1), timestamp.new(2) })
    local spoilt <const> = timestamp.new(1)
    spoilt.nanoseconds = 1000000000
    assert_unencodable("a timestamp whose fields are no seconds and nanoseconds at [1]", { spoilt })
    local ext <const> = msgpack.ext(1, "x")
    ext.data = 5
    assert_unencodable("an extension whose fields are no type and data at x", { x = ext })
    ext.data, ext.type = "x", 128
    assert_unencodable("an extension whose fields are no type and data", ext)
  end)

  it("reads fields raw", function()
    local proxy <const> = setmetatable({ own = 1 }, {
      __index = { more = 2 }, __pairs = error, __len = error, __tostring = error, __name = "proxy",
    })
    assert_encoded("81a36f776e01", proxy)
  end)

  it("names what cannot be encoded, and where it is", function()
    assert_unencodable("a function at items[3].price", { items = { 1, 2, { price = print } } })
    assert_unencodable("a function at [3][1]", { 3, 2, { print }, [0] = 1 })
    assert_unencodable('a userdata at ["a b"]', { ["a b"] = io.stdout })
    assert_unencodable("a thread at [1.5].x", { [1.5] = { x = coroutine.create(print) } })
    assert_unencodable("a function at [true][-7]", { [true] = { [-7] = print } })
    assert_unencodable("a table with a key that is no string, number or boolean at a", { a = { [{}] = 1 } })
    assert_unencodable("a table with a key that is no string, number or boolean", { [json.null] = 1 })
    local _ <const>, message <const> = pcall(function() return (msgpack.encode(print)) end)
    assert.matches("msgpack_spec.lua:%d+: cannot encode a function$", message)
  end)

  it("names a cycle, and does not take shared tables for one", function()
    local shared <const>, cycle <const> = { 1 }, { a = { {} } }
    cycle.a[1].back = cycle
    assert_encoded("9291019101", { shared, shared })
    assert_unencodable("a cycle at a[1].back", cycle)
  end)

  it("limits the depth to what decode allows", function()
    local nested <const> = ("\x91"):rep(511) .. "\x90"
    assert.equal(nested, msgpack.encode(msgpack.decode(nested)))
    assert_unencodable("a table that is nested too deep at " .. ("[1]"):rep(512),
      msgpack.decode("\x91" .. nested, { depth = 513 }))
  end)

  it("writes no level more often than twice, whatever the tables are", function()
    local value = { 1 }
    for i = 1, 500 do value = i % 2 == 0 and { value, x = 1 } or { value, nil, 3 } end
    local again = msgpack.decode(msgpack.encode(value))
    for _ = 1, 500 do again = again[1] end
    assert.same({ 1 }, again)
  end)

  it("starts anew after a failure", function()
    assert.is_false(pcall(msgpack.encode, { ("x"):rep(1000), print }))
    assert_encoded("9101", { 1 })
  end)

  it("may be called by a finalizer while it encodes", function()
    local inner <const>, wide <const> = {}, {}
    for i = 1, 100 do wide[i] = { x = i, y = { i } } end
    local expected <const> = msgpack.decode(msgpack.encode(wide))
    for _ = 1, 1000 do
      setmetatable({}, { __gc = function() inner[#inner + 1] = msgpack.encode { 1, { 2 } } end })
      local text <const> = msgpack.encode(wide)
      if #inner < 3 then assert.same(expected, msgpack.decode(text)) end
    end
    collectgarbage()
    assert.is_true(#inner > 0)
    for _, text in ipairs(inner) do assert(text == "\x92\1\x91\2") end
  end)
end)

describe("msgpack.encode_list", function()
  it("keeps nils, also at the end", function()
    assert.equal("9401a0c0c0", digits_of(msgpack.encode_list(1, "", nil, nil)))
    assert.equal("90", digits_of(msgpack.encode_list()))
    assert.equal("940007a3616464920203", digits_of(msgpack.encode_list(0, 7, "add", { 2, 3 })))
    assert.error_matches(function() msgpack.encode_list(1, { x = print }) end, "cannot encode a function at %[2%]%.x$")
  end)
end)

describe("msgpack.encode_call", function()
  it("ends with the array of the arguments", function()
    assert.equal("940007a3616464920203", digits_of(msgpack.encode_call({ 2, 3 }, 0, 7, "add")))
    assert.equal("9302a17894c001c0c0", digits_of(msgpack.encode_call(table.pack(nil, 1, nil, nil), 2, "x")))
    assert.equal("9190", digits_of(msgpack.encode_call {}))
    assert.equal("9190", digits_of(msgpack.encode_call { 1, n = 0 }))
  end)

  it("raises for what is no list of arguments", function()
    assert.error_matches(function() msgpack.encode_call({ n = -1 }, 0) end,
      "cannot encode a table whose n is no count$")
    assert.error_matches(function() msgpack.encode_call({ n = "x" }) end, "whose n is no count$")
    assert.error_matches(function() msgpack.encode_call({ 1, { a = print } }, 0) end, "a function at %[2%]%.a$")
    assert.error_matches(function() msgpack.encode_call(5) end, "table expected")
  end)
end)

describe("msgpack.decode", function()
  it("reads every form of every kind of value", function()
    for digits, value in pairs {
      ["ca3fc00000"] = 1.5, ["d3ffffffffffffffff"] = -1, ["cf0000000000000001"] = 1, ["d27fffffff"] = 0x7fffffff,
      ["d9036162 63"] = "abc", ["da0003616263"] = "abc", ["db00000003616263"] = "abc", ["c403616263"] = "abc",
      ["c50003616263"] = "abc", ["c600000003616263"] = "abc", ["dc0002 01 02"] = { 1, 2 }, ["dd00000001c3"] = { true },
      ["de0001 a161 02"] = { a = 2 }, ["df00000001 a161 c0"] = { a = json.null }, ["c2"] = false, ["c3"] = true,
    } do
      assert.same(value, (decoded(digits)), digits)
    end
    assert.same({ 1 / 3, "float" }, { decoded(digits_of(msgpack.encode(1 / 3))) })
  end)

  it("gives nil for nil, and null within tables", function()
    assert.equal(1, select("#", msgpack.decode "\xc0"))
    assert.is_nil((msgpack.decode "\xc0"))
    assert.same({ json.null, x = json.null }, (decoded "8201c0a178c0"))
  end)

  it("takes any scalar as a key", function()
    assert.same({ [1] = 2, [-1] = 3, [1.5] = 4, [true] = 5, [false] = 6, ["\xff"] = 7, [""] = 8 },
      (decoded "87 01 02 ff 03 cb3ff8000000000000 04 c3 05 c2 06 c401ff 07 a0 08"))
    assert.same({ [1] = "x" }, (decoded "81 ca3f800000 a178"))
  end)

  it("takes the last of duplicate keys", function()
    assert.same({ a = 3, b = 2 }, (decoded "83 a161 01 a162 02 a161 03"))
    assert.same({ [1] = 3 }, (decoded "83 01 01 cc01 02 ca3f800000 03"))
  end)

  it("refuses keys that Lua cannot have", function()
    for digits, message in pairs {
      ["81 c0 01"] = "2: nil as a key", ["81 90 01"] = "2: an array as a key", ["81 80 01"] = "2: a map as a key",
      ["81 d4 05 61 01"] = "2: an extension as a key", ["81 d6ff00000000 01"] = "2: an extension as a key",
      ["82 01 02 cb7ff8000000000000 01"] = "4: NaN as a key", ["81 ca7fc00000 01"] = "2: NaN as a key",
      ["81 dc0001 01 01"] = "2: an array as a key",
    } do
      assert.same({ n = 3, nil, "invalid MessagePack at byte " .. message, "protocol" },
        table.pack(msgpack.decode(bytes_of(digits))))
    end
  end)

  it("gives buffers for binary by option, but not as keys", function()
    local value <const> = decoded("82 a161 c402 0001 c401ff a162", { binary = "buffer" })
    assert.equal("\0\1", value.a:string())
    assert.equal("b", value["\xff"])
    assert.equal(2, #value.a)
    assert.equal("c4020001", digits_of(msgpack.encode(value.a)))
    assert.equal("", decoded("c400", { binary = "buffer" }):string())
    assert.equal("\0", decoded("c40100", { binary = "string" }))
  end)

  it("refuses integers that Lua does not have, or makes floats of them by option", function()
    local message <const> = "invalid MessagePack at byte 3: the integer 9223372036854775808, beyond 9223372036854775807"
    assert.same({ n = 3, nil, message, "limit" }, table.pack(msgpack.decode(bytes_of "9201cf8000000000000000")))
    assert.same({ 2.0 ^ 64, "float" }, { decoded("cfffffffffffffffff", { uint64 = "float" }) })
    assert.same({ math.maxinteger, "integer" }, { decoded("cf7fffffffffffffff", { uint64 = "float" }) })
  end)

  it("gives the elements of a list by option", function()
    local function list(digits) return table.pack(msgpack.decode(bytes_of(digits), { list = true })) end
    assert.same({ n = 4, 0, nil, "x", nil }, list "9400c0a178c0")
    assert.same({ n = 2, nil, { json.null } }, list "92c091c0")
    assert.same({ n = 0 }, list "90")
    assert.same({ n = 1, 5 }, list "dc000105")
    assert.same({ n = 3, nil, "invalid MessagePack at byte 1: an array expected", "protocol" }, list "80")
    assert.same({ n = 3, nil, "invalid MessagePack at byte 1: an array expected", "protocol" }, list "")
    assert.same({ n = 3, nil, "invalid MessagePack at byte 3: the end expected", "protocol" }, list "910101")
    assert.equal(10000, list("dc2710" .. ("01"):rep(10000)).n)
    assert.equal("invalid MessagePack at byte 1: an array of more than 10000 elements, too many for a list",
      list("dc2711" .. ("01"):rep(10001))[2])
  end)

  it("gives the arguments of a call as values of their own", function()
    local function call(...)
      return table.pack(msgpack.decode(msgpack.encode_list(...), { list = "call" }))
    end
    local arguments <const> = { 1, json.null, { json.null } }
    assert.same({ n = 6, 0, 7, "add", 1, nil, { json.null } }, call(0, 7, "add", arguments))
    assert.same({ n = 6, 2, nil, "add", 1, nil, { json.null } }, call(2, "add", arguments))
    assert.same({ n = 3, 0, 7, "add" }, call(0, 7, "add", json.array {}))
    assert.same({ n = 4, 1, 7, nil, arguments }, call(1, 7, nil, arguments))
    assert.same({ n = 4, "0", 7, "add", arguments }, call("0", 7, "add", arguments))
    assert.same({ n = 0 }, call())
  end)

  it("refuses what is no call", function()
    local function refused(place, what, ...)
      local value <const>, message <const>, code <const> = msgpack.decode(msgpack.encode_list(...), { list = "call" })
      local expected <const> = ("invalid MessagePack at byte %d: %s"):format(place, what)
      assert.same({ nil, expected, "protocol" }, { value, message, code })
    end
    local request <const> = "an id from 0 to 4294967295, a method's name and its arguments expected"
    refused(3, request, 0)
    refused(3, request, 0, "add", { 1 })
    refused(3, request, 0, -1, "add", { 1 })
    refused(3, request, 0, 1 << 32, "add", { 1 })
    refused(3, request, 0, 7, 5, { 1 })
    refused(3, request, 0, 7, "add", { 1 }, 5)
    refused(8, "an array expected", 0, 7, "add", { x = 1 })
    refused(8, "an array expected", 0, 7, "add", 5)
    refused(3, "a method's name and its arguments expected", 2, 7, "add", { 1 })
    refused(7, "an array expected", 2, "add", "x")
  end)

  it("raises for misuse", function()
    assert.error_matches(function() msgpack.decode(12) end, "string expected, got number")
    assert.error_matches(function() msgpack.decode("\1", { deep = 1 }) end, "there is no option 'deep'")
    assert.error_matches(function() msgpack.decode("\1", { depth = 4097 }) end, "depth")
    assert.error_matches(function() msgpack.decode("\1", { binary = "bytes" }) end,
      "option 'binary' must be \"string\" or \"buffer\"")
    assert.error_matches(function() msgpack.decode("\1", { uint64 = 1 }) end, "option 'uint64' must be")
    assert.error_matches(function() msgpack.decode("\1", { list = "yes" }) end, "option 'list' must be")
    assert.error_matches(function() msgpack.ext(128, "") end, "type must be %-128 to 127")
    assert.error_matches(function() msgpack.ext(1, 5) end, "string expected")
  end)
end)

describe("an extension", function()
  it("is a table of type and data, equal to another with the same", function()
    local ext <const> = msgpack.ext(5, "abc")
    assert.same({ 5, "abc" }, { ext.type, ext.data })
    assert.equal("perigee.Ext: type 5, 3 bytes", tostring(ext))
    assert.is_true(ext == msgpack.ext(5, "abc"))
    assert.is_false(ext == msgpack.ext(6, "abc") or ext == msgpack.ext(5, "abd"))
  end)
end)

describe("MessagePack as Python writes and reads it", function()
  it("is the same", function()
    local output <const>, status <const> = helper.python [[
import msgpack, random, struct, sys
random.seed(7)
def value(depth):
    kind = random.randrange(11 if depth else 8)
    if kind == 0: return None
    if kind == 1: return random.random() < 0.5
    if kind == 2: return random.randrange(-40, 140)
    if kind == 3: return random.randrange(-2 ** 63, 2 ** 63) >> random.randrange(63)
    if kind == 4: return struct.unpack("d", struct.pack("q", random.randrange(-2 ** 62, 2 ** 62)))[0]
    if kind == 5: return "é" * random.randrange(40)
    if kind == 6: return bytes(random.randrange(128, 256) for _ in range(1 + random.randrange(40)))
    if kind == 7: return msgpack.Timestamp(random.randrange(-2 ** 40, 2 ** 40), random.choice((0, 5)))
    if kind == 8: return [value(depth - 1) for _ in range(random.choice((0, 1, 3, 20)))]
    return {random.choice((str(i), i * 1000 - 5)): value(depth - 1) for i in range(random.choice((1, 3, 17)))}
for _ in range(300):
    print(msgpack.packb(value(3)).hex())
]]
    assert.equal(0, status, output)
    local count = 0
    for digits in output:gmatch "%x+" do
      local text <const> = bytes_of(digits)
      local again <const> = msgpack.encode(msgpack.decode(text))
      assert.equal(#text, #again) -- the pairs of a map have another order
      assert.same(msgpack.decode(text), msgpack.decode(again))
      count = count + 1
    end
    assert.equal(300, count)
  end)
end)
