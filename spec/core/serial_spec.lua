local buffer <const> = require "perigee.buffer"
local json <const> = require "perigee.codec.json"
local net <const> = require "perigee.net"
local serial <const> = require "core.serial"

local function travel(...)
  return serial.decode(serial.encode(...))
end

local function assert_refused(message, ...)
  local ok <const>, got <const> = pcall(serial.encode, ...)
  assert.same({ false, message }, { ok, got })
end

--- A table of so many levels.
local function nest(levels)
  local outer = {}
  for _ = 2, levels do outer = { outer } end
  return outer
end

--- All kinds of values in one message.
local function sample()
  local shared <const> = { "shared" }
  local all <const> = { 1, -2, 2.5, "text", true, shared, nil, json.null, [2.5] = false }
  all.self, all.nested = all, { deep = { shared } }
  return serial.encode(all, nil, buffer.array("f64", 3):fill(1.5), json.array {}, ("x"):rep(300), math.mininteger)
end

describe("serial", function()
  it("keeps nil, booleans and strings", function()
    assert.equal(0, select("#", travel()))
    assert.same({ n = 5, nil, true, false, "a\0b\255", nil }, table.pack(travel(nil, true, false, "a\0b\255", nil)))
    local long <const> = ("long"):rep(100000)
    assert.same({ "", long }, { travel("", long) })
  end)

  it("keeps integers integers and floats floats", function()
    local numbers <const> = { 0, 1, -1, 127, 128, 255, 256, 1 << 31, 1 << 53, math.maxinteger, math.mininteger,
      0.0, 1.0, -1.0, 0.1, 2^53, 1e308, 5e-324, math.huge, -math.huge }
    for _, number in ipairs(numbers) do
      local got <const> = travel(number)
      assert.equal(number, got)
      assert.equal(math.type(number), math.type(got))
    end
    local nan <const> = travel(0 / 0)
    assert.is_true(nan ~= nan)
    assert.equal(-math.huge, 1 / travel(-0.0))
  end)

  it("keeps arrays, maps, holes and keys of every kind", function()
    local t <const> = { 1, 2, nil, 4, [100] = "far", [-1] = "before", [0.5] = "half", [true] = "yes",
      ["two words"] = {}, [math.huge] = "most" }
    local got <const> = travel(t)
    assert.same(t, got)
    assert.is_nil(getmetatable(got))
    assert.same({ "key" }, (next(travel { [{ "key" }] = 1 })))
  end)

  it("keeps an array of many", function()
    local many <const> = {}
    for i = 1, 100000 do many[i] = i end
    local got <const> = travel(many)
    assert.same({ 100000, 1, 77777 }, { #got, got[1], got[77777] })
  end)

  it("keeps shared references and cycles, also among the values", function()
    local shared <const> = {}
    local a <const>, b <const> = travel({ shared, x = shared }, { shared })
    assert.equal(a[1], a.x)
    assert.equal(a[1], b[1])
    local cycle <const> = { name = "cycle" }
    cycle.inner = { back = cycle }
    cycle[cycle] = cycle
    local got <const> = travel(cycle)
    assert.equal(got, got.inner.back)
    assert.equal(got, got[got])
  end)

  it("keeps JSON's null and marks", function()
    local text <const> = '{"a":[],"b":{},"c":null,"d":[{}]}'
    assert.equal(text, json.encode(travel(json.decode(text)), { sort_keys = true }))
    assert.equal("[{},[]]", json.encode(travel { json.object {}, json.array {} }))
  end)

  it("copies buffers, of views what they show", function()
    local numbers <const> = buffer.array("i32", 100)
    for i = 1, 100 do numbers[i] = i end
    local view <const> = numbers:view(11, 20)
    local got <const>, same <const>, other <const> = travel(view, view, { numbers })
    assert.same({ "i32", 10, 11, 20 }, { got.type, #got, got[1], got[10] })
    assert.is_true(rawequal(got, same))
    assert.equal(numbers, other[1])
    got[1] = 0
    assert.same({ 11, 11 }, { numbers[11], other[1][11] })
    assert.equal(0, #travel(buffer.new(0)))
  end)

  it("does not call metamethods, and refuses tables that have some", function()
    local t <const> = setmetatable({ 1 }, { __index = function() error "called" end })
    assert_refused("argument 1: a table with a metatable cannot travel", t)
    assert_refused("argument 2: a channel cannot travel", 1, require "perigee.task".channel())
  end)

  it("names the place of what cannot travel", function()
    local a <const>, b <const> = net.pair()
    b:close()
    finally(function() a:close() end)
    assert_refused("argument 1: a connection cannot travel", a)
    assert_refused("argument 2, field 'a.b[3]': a connection cannot travel", 1, { a = { b = { 1, 2, a } } })
    assert_refused("argument 1, field '[1].c': a function cannot travel", { { c = print } })
    assert_refused("argument 1, field '[\"two words\"][true]': a coroutine cannot travel",
      { ["two words"] = { [true] = coroutine.create(print) } })
    assert_refused("argument 3, field 'file': a file cannot travel", 1, 2, { file = io.stdout })
    assert_refused("argument 1, field 't', a key: a function cannot travel", { t = { [print] = 1 } })
    assert_refused("argument 1, field '[-1][0.5]': a function cannot travel", { [-1] = { [0.5] = function() end } })
  end)

  it("cuts long keys in its messages", function()
    assert_refused(("argument 1, field '[\"%s...\"]': a function cannot travel"):format(("k"):rep(60)),
      { [("k"):rep(1000)] = print })
  end)

  it("takes 500 levels, and refuses more on both sides", function()
    assert.equal("table", type(travel(nest(500))))
    assert_refused("argument 1, deep in it: a table of more than 500 levels cannot travel", nest(501))
    local level <const> = serial.encode({ 1 }):sub(3, 5) -- a table with one element, but for that
    local value <const>, message <const>, code <const> = serial.decode(serial.encode(1):sub(1, 2) .. level:rep(100000))
    assert.same({ nil, "protocol" }, { value, code })
    assert.matches("too many levels$", message)
  end)
end)

describe("bytes that do not come from serial.encode", function()
  local function assert_invalid(bytes)
    local value <const>, message <const>, code <const> = serial.decode(bytes)
    assert.same({ nil, "protocol" }, { value, code })
    assert.matches("^invalid bytes at %d+: ", message)
  end

  it("are refused when they are cut anywhere", function()
    local whole <const> = sample()
    for length = 0, #whole - 1 do assert_invalid(whole:sub(1, length)) end
  end)

  it("are refused when something follows", function()
    assert_invalid(sample() .. "\0")
    assert_invalid(sample() .. sample())
  end)

  it("are refused or give some value when any byte is changed", function()
    local whole <const> = sample()
    local refused = 0
    for at = 1, #whole do
      for _, byte in ipairs { 0, 1, 2, 127, 128, 255, whole:byte(at) ~ 1, whole:byte(at) ~ 128 } do
        local changed <const> = whole:sub(1, at - 1) .. string.char(byte) .. whole:sub(at + 1)
        if select(3, serial.decode(changed)) == "protocol" then refused = refused + 1 end
      end
    end
    assert.is_true(refused > #whole)
  end)

  it("cannot ask for more memory than they have bytes", function()
    local head <const> = serial.encode({}):sub(1, 3) -- a table: its mark and the count of elements follow
    local before <const> = collectgarbage "count"
    for _, count in ipairs { "\255\255\255\255\7", "\255\255\255\255\255\255\255\255\255\1", "\128\128\128\1" } do
      assert_invalid(head .. "\0" .. count .. ("\0"):rep(10))
      assert_invalid((head .. "\0" .. count):rep(100))
    end
    assert_invalid(serial.encode({}):sub(1, 1) .. "\255\255\255\255\7")
    assert.is_true(collectgarbage "count" < before + 1000)
  end)

  it("cannot bring code, whatever they hold", function()
    for tag = 0, 255 do
      local body <const> = string.char(tag) .. string.pack("<I4", 20) .. string.dump(function() return 1 end) .. "\0"
      local value <const> = serial.decode(serial.encode(1):sub(1, 2) .. body)
      assert.is_not.equal("function", type(value))
    end
  end)

  it("cannot refer to what is not there", function()
    for number = 0, 3 do
      assert_invalid(serial.encode(1):sub(1, 2) .. "\9" .. string.char(number)) -- a reference
      assert_invalid(serial.encode(1):sub(1, 2) .. "\11" .. string.char(number) .. "\2u8\0\1") -- a block that moves
    end
  end)

  it("are looked at in any number and order", function()
    math.randomseed(4)
    for _ = 1, 20000 do
      local bytes <const> = { "\225\1" }
      for i = 2, math.random(20) do bytes[i] = string.char(math.random(0, 255) >> math.random(0, 4)) end
      serial.decode(table.concat(bytes))
    end
    math.randomseed()
  end)

  it("are not a table or a number, which is misuse", function()
    assert.has_error(function() serial.decode {} end)
    assert.has_error(function() serial.decode(5) end)
    assert.has_error(function() serial.decode() end)
  end)
end)
