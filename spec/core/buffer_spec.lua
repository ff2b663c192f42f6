local helper <const> = require "spec.helper"
local buffer <const> = require "perigee.buffer"
local system <const> = require "core.system"

local assert_misuse <const> = helper.assert_misuse

local integers <const> = {
  i8 = { -128, 127 }, u8 = { 0, 255 }, i16 = { -32768, 32767 }, u16 = { 0, 65535 },
  i32 = { -(1 << 31), (1 << 31) - 1 }, u32 = { 0, (1 << 32) - 1 }, i64 = { math.mininteger, math.maxinteger },
}

describe("a buffer", function()
  it("begins with zeroes", function()
    local b <const> = buffer.new(5)
    assert.same({ 5, 5, "u8", "\0\0\0\0\0" }, { #b, b.bytes, b.type, b:string() })
  end)

  it("is made from a string's bytes", function()
    local b <const> = buffer.from "a\0z"
    assert.same({ 97, 0, 122, "a\0z" }, { b[1], b[2], b[3], b:string() })
  end)

  it("can be empty", function()
    for _, b in ipairs { buffer.new(0), buffer.from "", buffer.array("f64", 0), buffer.new(3):view(3, 2) } do
      assert.same({ 0, 0, "" }, { #b, b.bytes, b:string() })
      assert.is_nil(b[1])
      assert.equal(b, b:fill(1):copy "")
    end
  end)

  it("has elements of every integer type, from its lowest to its highest value", function()
    for name, limits in pairs(integers) do
      local b <const> = buffer.array(name, 2)
      b[1], b[2] = limits[1], limits[2]
      assert.same({ name, 2, limits[1], limits[2] }, { b.type, #b, b[1], b[2] })
    end
  end)

  it("refuses numbers that do not fit the type, and keeps what was there", function()
    for name, limits in pairs(integers) do
      local b <const> = buffer.array(name, 1):fill(7)
      if limits[2] ~= math.maxinteger then
        assert_misuse("does not fit", function() b[1] = limits[1] - 1 end)
        assert_misuse("does not fit", function() b[1] = limits[2] + 1 end)
      end
      assert_misuse("no integer representation", function() b[1] = 1.5 end)
      assert_misuse("number expected, got string", function() b[1] = "x" end)
      assert_misuse("number expected, got nil", function() b[1] = nil end)
      assert.equal(7, b[1])
    end
  end)

  it("holds unsigned 64 bit numbers as Lua's integers wrap", function()
    local b <const> = buffer.array("u64", 1)
    b[1] = -1
    assert.same({ -1, ("\255"):rep(8) }, { b[1], b:string() })
  end)

  it("holds floats, in single and double precision", function()
    local f, d <const> = buffer.array("f32", 2), buffer.array("f64", 3)
    f[1], f[2] = 0.5, 0.1
    d[1], d[2], d[3] = 0.1, math.huge, 7
    assert.equal(0.5, f[1])
    assert.equal(string.unpack("f", string.pack("f", 0.1)), f[2])
    assert.same({ 0.1, math.huge, 7.0 }, { d[1], d[2], d[3] })
    assert.equal("float", math.type(d[3]))
  end)

  it("is in the machine's byte order", function()
    local b <const> = buffer.array("i32", 1)
    b[1] = -123456
    assert.equal(string.pack("=i4", -123456), b:string())
  end)

  it("has nil outside of its bounds, and refuses to write there", function()
    local b <const> = buffer.new(3)
    for _, index in ipairs { 0, -1, 4, math.mininteger, math.maxinteger } do
      assert.is_nil(b[index])
      assert_misuse("outside of the buffer", function() b[index] = 1 end)
    end
    assert_misuse("number expected", function() b.name = 1 end)
    assert.is_nil(b.name)
  end)

  it("takes floats with an integer value as indices, as tables do", function()
    local b <const> = buffer.from "abc"
    b[2.0] = 66
    assert.same({ 66, 66 }, { b[2], b[2.0] })
    assert.is_nil(b[1.5])
  end)

  it("can be walked by ipairs", function()
    local seen <const> = {}
    for i, value in ipairs(buffer.from "abc") do seen[i] = value end
    assert.same({ 97, 98, 99 }, seen)
  end)

  it("names itself", function()
    assert.equal("buffer: 3 x f32", tostring(buffer.array("f32", 3)))
  end)

  it("refuses sizes and types that there are not, and names the argument", function()
    for _, size in ipairs { -1, math.mininteger, 1.5, "x" } do
      assert_misuse("bad argument #1", buffer.new, size)
      assert_misuse("bad argument #2", buffer.array, "u8", size)
    end
    assert_misuse("bad argument #1 to '.*new'", buffer.new)
    assert_misuse("bad argument #2 to '.*array'", buffer.array, "u8")
    assert_misuse("type must be one of i8 u8", buffer.array, "u128", 1)
    assert_misuse("bad argument #1 to '.*array'", buffer.array, nil, 1)
    assert_misuse("bad argument #1 to '.*from'", buffer.from, {})
  end)

  it("refuses sizes beyond memory", function()
    assert_misuse("not enough memory", buffer.array, "f64", math.maxinteger)
    assert_misuse("not enough memory", buffer.array, "u16", math.maxinteger // 2 + 1)
    if system.versions().sanitized then return end -- ASan ends the process at such a calloc
    assert_misuse("not enough memory", buffer.new, math.maxinteger)
    assert_misuse("not enough memory", buffer.new, 1 << 46)
  end)

  it("may have many that are garbage without holding their memory", function()
    local size <const> = helper.is_tiny and 1 << 16 or 1 << 20
    local count <const> = (400 << 20) // size
    local text <const> = ("x"):rep(size)
    collectgarbage()
    local function resident()
      return tonumber(io.lines "/proc/self/statm"():match "^%d+ (%d+)") * 4096
    end
    local before <const> = resident()
    for _ = 1, count do buffer.new(size):copy(text) end
    if not system.versions().sanitized then -- ASan keeps freed memory in quarantine
      assert.is_true(resident() - before < 200 << 20)
    end
  end)
end)

describe("a view", function()
  it("shares the memory both ways", function()
    local b <const> = buffer.from "abcdef"
    local view <const> = b:view(2, 4)
    assert.equal("bcd", view:string())
    view[1] = 66
    b[4] = 68
    assert.same({ "aBcDef", "BcD" }, { b:string(), view:string() })
  end)

  it("cuts its range as string.sub does", function()
    local text <const> = "abcdef"
    local b <const> = buffer.from(text)
    local places <const> = { math.mininteger, -7, -6, -2, -1, 0, 1, 2, 6, 7, math.maxinteger }
    for _, first in ipairs(places) do
      assert.equal(text:sub(first), b:view(first):string())
      for _, last in ipairs(places) do
        local expected <const> = text:sub(first, last)
        assert.same({ first, last, expected }, { first, last, b:view(first, last):string() })
        assert.same({ first, last, expected }, { first, last, b:string(first, last) })
      end
    end
  end)

  it("counts elements, not bytes", function()
    local b <const> = buffer.array("u32", 4)
    for i = 1, 4 do b[i] = i end
    local view <const> = b:view(2, 3)
    assert.same({ 2, 8, "u32", 2, 3 }, { #view, view.bytes, view.type, view[1], view[2] })
    assert.equal(string.pack("=I4I4", 2, 3), b:string(2, 3))
  end)

  it("of a view begins where that begins", function()
    local inner <const> = buffer.from "abcdef":view(2, 5):view(2, 3)
    assert.equal("cd", inner:string())
    assert.is_nil(inner[3])
  end)

  it("keeps the memory alive when the buffer is garbage", function()
    local view <const> = buffer.from(("x"):rep(100000) .. "end"):view(-3)
    for _ = 1, 3 do
      collectgarbage()
      buffer.new(100000):fill(0)
    end
    assert.equal("end", view:string())
  end)
end)

describe("a cast", function()
  it("is the same memory as elements of another type", function()
    local b <const> = buffer.new(8)
    local words <const> = b:cast "u32"
    words[2] = 0x01020304
    assert.same({ 2, "u32", string.pack("=I4I4", 0, 0x01020304) }, { #words, words.type, b:string() })
    assert.equal(1, #b:cast "f64")
  end)

  it("is refused when the bytes are no whole number of elements", function()
    local b <const> = buffer.new(6)
    assert.equal(3, #b:cast "u16")
    assert_misuse("bad argument #1 to 'cast'.*no whole number", function() b:cast "u32" end)
    assert_misuse("no whole number", function() b:cast "f64" end)
    assert_misuse("type must be one of", function() b:cast "string" end)
    assert_misuse("bad argument #1 to 'cast'", function() b:cast() end)
  end)

  it("may begin at an odd byte", function()
    local b <const> = buffer.new(9)
    local odd <const> = b:view(2):cast "f64"
    odd[1] = 0.1
    assert.same({ 0.1, string.pack("=d", 0.1) }, { odd[1], b:string(2) })
  end)
end)

local function elements(b)
  local list <const> = {}
  for i = 1, #b do list[i] = b[i] end
  return list
end

describe("filling and copying", function()
  it("count from a number by steps, in every type", function()
    assert.same({ 3, 1, -1, -3 }, elements(buffer.array("i8", 4):fill(3, -2)))
    assert.same({ 250, 255 }, elements(buffer.array("u8", 2):fill(250, 5)))
    assert.same({ 0.0, 0.5, 1.0 }, elements(buffer.array("f32", 3):fill(0, 0.5)))
    local many <const> = buffer.array("f64", 100000):fill(0, 1)
    assert.same({ 0.0, 12345.0, 99999.0 }, { many[1], many[12346], many[100000] })
    local b <const> = buffer.array("i64", 4)
    b:view(2, 3):fill(math.maxinteger - 1, 1)
    assert.same({ 0, math.maxinteger - 1, math.maxinteger, 0 }, elements(b))
    assert.same({ 7 }, elements(buffer.array("u16", 1):fill(7, 100000)))
    assert.equal(0, #buffer.array("u16", 0):fill(7, 1))
  end)

  it("refuse steps to numbers that do not fit, and keep what was there", function()
    local b <const> = buffer.array("u8", 3):fill(9)
    for first, step in pairs { [0] = 128, [2] = -2, [256] = -1, [5] = math.maxinteger } do
      assert_misuse("does not fit", b.fill, b, first, step)
    end
    assert_misuse("number expected, got string", b.fill, b, 0, "x")
    assert_misuse("no integer representation", b.fill, b, 0, 0.5)
    assert.same({ 9, 9, 9 }, elements(b))
  end)

  it("fill every element, and only those of the view", function()
    local b <const> = buffer.array("i16", 4)
    assert.equal(b, b:fill(-2))
    b:view(2, 3):fill(5)
    assert.same({ -2, 5, 5, -2 }, { b[1], b[2], b[3], b[4] })
  end)

  it("refuse a value that does not fit", function()
    local b <const> = buffer.new(2)
    assert_misuse("bad argument #1 to 'fill'", function() b:fill(256) end)
    assert_misuse("bad argument #1 to 'fill'", function() b:fill() end)
    assert.equal("\0\0", b:string())
  end)

  it("copy strings and buffers to an element", function()
    local b <const> = buffer.array("u16", 3)
    assert.equal(b, b:copy(string.pack("=I2", 7), 2))
    b:copy(buffer.from(string.pack("=I2", 9)), 3)
    assert.same({ 0, 7, 9 }, { b[1], b[2], b[3] })
    b:copy("", 4)
  end)

  it("copy within the same memory when source and target overlap", function()
    local b <const> = buffer.from "abcdef"
    b:copy(b:view(1, 4), 3)
    assert.equal("ababcd", b:string())
    b:copy(b:view(3), 1)
    assert.equal("abcdcd", b:string())
  end)

  it("refuse what does not fit, and then change nothing", function()
    local b <const> = buffer.array("f64", 2)
    for _, position in ipairs { 3, 4, (1 << 61) + 1, math.maxinteger } do
      assert_misuse("do not fit", b.copy, b, "x", position)
    end
    assert_misuse("do not fit", b.copy, b, ("x"):rep(17))
    assert_misuse("do not fit", b.copy, b, ("x"):rep(9), 2)
    assert_misuse("bad argument #2 to 'copy'", function() b:copy("x", 0) end)
    assert_misuse("bad argument #1 to 'copy'", function() b:copy({}) end)
    assert.equal(("\0"):rep(16), b:string())
  end)
end)

describe("equality", function()
  it("is that of type, length and bytes", function()
    assert.is_true(buffer.from "ab" == buffer.from "ab")
    assert.is_true(buffer.from "xabx":view(2, 3) == buffer.from "ab")
    assert.is_false(buffer.from "ab" == buffer.from "ac")
    assert.is_false(buffer.from "ab" == buffer.from "abc")
    assert.is_false(buffer.new(2) == buffer.new(2):cast "u16")
    assert.is_false(buffer.new(2) == "\0\0")
    assert.is_true(buffer.new(0) == buffer.from "")
  end)
end)
