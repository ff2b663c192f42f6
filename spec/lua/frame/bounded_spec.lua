local fake <const> = require "spec.fixtures.memory_connection"
local fixture <const> = require "spec.fixtures.frames"
local frame <const> = require "perigee.frame"

local assert_failure <const>, assert_misuse <const> = fixture.assert_failure, fixture.assert_misuse
local written <const> = fixture.written

describe("frames of a fixed size", function()
  it("are cut from the stream", function()
    local frames <const> = frame.fixed(fake "aaabbbcc", 3)
    assert.equal("aaa", (frames:receive()))
    assert.equal("bbb", (frames:receive()))
    assert_failure("closed", "1 of the 3 bytes of its payload are missing", frames:receive())
    assert_failure("closed", "1 of the 3 bytes", frames:receive())
  end)

  it("end cleanly at a boundary", function()
    local frames <const> = frame.fixed(fake "aaa", 3)
    frames:receive()
    assert_failure("closed", "closed by the peer", frames:receive())
  end)

  it("are sent only when they have that size", function()
    local conn <const> = fake()
    local frames <const> = frame.fixed(conn, 3)
    assert_failure("protocol", "a message of 4 bytes, but all must have 3", frames:send("ab", "cd"))
    assert_failure("protocol", "a message of 0 bytes", frames:send "")
    assert.same({}, conn.writes)
    assert.is_true(frames:send("a", "bc"))
    assert.same({ "abc" }, conn.writes)
  end)

  it("need a positive size", function()
    for _, size in ipairs { 0, -1, 2.5, "3" } do
      assert_misuse("'size' (positive integer expected", function() local _ = frame.fixed(fake(), size) end)
    end
  end)
end)

describe("delimited frames", function()
  it("are refused when the delimiter is in them", function()
    local conn <const> = fake()
    local frames <const> = frame.delimited(conn, "\n")
    assert_failure("protocol", "delimiter", frames:send "a\nb")
    assert_failure("protocol", "delimiter", frames:send("a\n", "b"))
    assert.same({}, conn.writes)
  end)

  it("are refused when parts make the delimiter together", function()
    assert_failure("protocol", "delimiter", frame.delimited(fake(), "\r\n"):send("a\r", "\nb"))
  end)

  it("are refused when their end and the delimiter make one earlier", function()
    assert_failure("protocol", "delimiter", frame.delimited(fake(), "aa"):send "ba")
    assert_failure("protocol", "delimiter", frame.delimited(fake(), "abab"):send "xab")
    assert.is_true(frame.delimited(fake(), "\r\n"):send "x\r")
  end)

  it("take a delimiter for bytes, not for a pattern", function()
    local frames <const> = frame.delimited(fake "a.b%.c%.", "%.")
    assert.equal("a.b", (frames:receive()))
    assert.equal("c", (frames:receive()))
  end)

  it("are written in one call", function()
    local conn <const> = fake()
    frame.delimited(conn, "\n"):send("a", 1)
    assert.same({ "a1\n" }, conn.writes)
  end)

  it("need a delimiter", function()
    assert_misuse([['delimiter' (non-empty string expected, got "")]], function()
      local _ = frame.delimited(fake(), "")
    end)
    assert_misuse("'delimiter' (non-empty string expected, got nil)", function()
      local _ = frame.delimited(fake())
    end)
    assert_misuse("'options' (table expected, got 5)", function()
      local _ = frame.delimited(fake(), "\n", 5)
    end)
  end)
end)
describe("struct frames", function()
  it("carry values", function()
    local conn <const> = fake()
    local sender <const> = frame.struct(conn, ">I2 i4 d c3")
    assert.is_true(sender:send(7, -1, 0.5, "abc"))
    assert.equal(1, #conn.writes)
    assert.is_true(sender:send(65535, 2, -0.25, ""))
    local receiver <const> = frame.struct(fake(written(conn)), ">I2 i4 d c3")
    assert.same({ 7, -1, 0.5, "abc" }, { receiver:receive() })
    assert.same({ 65535, 2, -0.25, "\0\0\0" }, { receiver:receive() })
    assert_failure("closed", "closed by the peer", receiver:receive())
  end)

  it("give a single value alone", function()
    assert.equal(1, select("#", frame.struct(fake "\5", "B"):receive()))
    assert.equal(5, (frame.struct(fake "\5", "B"):receive()))
  end)

  it("are iterated over with all their values", function()
    local sums <const> = {}
    for a, b in frame.struct(fake "\1\2\3\4", "BB"):messages() do sums[#sums + 1] = a * 10 + b end
    assert.same({ 12, 34 }, sums)
  end)

  it("refuse values that do not fit, and write nothing", function()
    local conn <const> = fake()
    assert_failure("limit", "value #2 does not fit into \"Bb\"", frame.struct(conn, "Bb"):send(1, 128))
    assert_failure("limit", "value #1 does not fit", frame.struct(conn, "c2"):send "abc")
    assert.same({}, conn.writes)
  end)

  it("raise for values of wrong types and counts", function()
    assert_misuse("'value #2' (number expected, got boolean)", function()
      local _ = frame.struct(fake(), "BB"):send(1, true)
    end)
    assert_misuse("'value #1' (number has no integer representation)", function()
      local _ = frame.struct(fake(), "B"):send(1.5)
    end)
    assert_misuse("'...' (2 values expected, got 1)", function()
      local _ = frame.struct(fake(), "BB"):send(1)
    end)
    assert_misuse("'...' (2 values expected, got 3)", function()
      local _ = frame.struct(fake(), "BB"):send(1, 2, 3)
    end)
  end)

  it("fail for a value that Lua cannot hold", function()
    assert_failure("protocol", "cannot hold", frame.struct(fake(("\255"):rep(16)), ">I16"):receive())
  end)

  it("tell an end inside", function()
    assert_failure("closed", "3 of the 4 bytes", frame.struct(fake "a", "I4"):receive())
  end)

  it("need a format of fixed size that holds a value", function()
    for _, format in ipairs { "s4", "z", "", "x", "!", "y", "I99", 4, false } do
      assert_misuse("'format' (string.pack format of fixed size expected", function()
        local _ = frame.struct(fake(), format)
      end)
    end
  end)
end)
