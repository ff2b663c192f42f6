local fake <const> = require "spec.fixtures.memory_connection"
local fixture <const> = require "spec.fixtures.frames"
local frame <const> = require "perigee.frame"

local assert_failure <const>, assert_misuse <const> = fixture.assert_failure, fixture.assert_misuse
local written <const> = fixture.written

describe("prefixed frames", function()
  it("have the bytes that the format says", function()
    local expected <const> = {
      [">I4"] = "\0\0\0\2hi", ["<I2"] = "\2\0hi", B = "\2hi", [">I3"] = "\0\0\2hi",
      [">i8"] = "\0\0\0\0\0\0\0\2hi", [">T"] = "\0\0\0\0\0\0\0\2hi",
    }
    for format, bytes in pairs(expected) do
      local conn <const> = fake()
      frame.prefixed(conn, format):send "hi"
      assert.equal(bytes, written(conn))
    end
  end)

  it("may count the prefix itself", function()
    local conn <const> = fake()
    frame.prefixed(conn, ">I2", { inclusive = true }):send "hi"
    assert.equal("\0\4hi", written(conn))
  end)

  it("are refused when the prefix cannot say their length", function()
    local cases <const> = { { "B", 255 }, { "b", 127 }, { ">I2", 65535 }, { "<i2", 32767 } }
    for _, case in ipairs(cases) do
      local conn <const> = fake()
      local frames <const> = frame.prefixed(conn, case[1])
      assert_failure("limit", "the length field ends at " .. case[2], frames:send(("x"):rep(case[2] + 1)))
      assert.same({}, conn.writes)
      assert.is_true(frames:send(("x"):rep(case[2])))
      assert.equal(case[2], #frame.prefixed(fake(written(conn), { piece = 100 }), case[1]):receive())
    end
    local frames <const> = frame.prefixed(fake(), "B", { inclusive = true })
    assert_failure("limit", "ends at 254", frames:send(("x"):rep(255)))
  end)

  it("name the size and the limit of a message that is too large", function()
    local function receive(format, bytes)
      return frame.prefixed(fake(bytes), format, { limit = 8 }):receive()
    end
    assert_failure("limit", "a message of 9 bytes is over the limit of 8", receive(">I4", "\0\0\0\9"))
    assert_failure("limit", "a message of 18446744073709551615 bytes", receive(">I8", ("\255"):rep(8)))
    assert_failure("limit", "a message of 9223372036854775808 bytes", receive(">I8", "\128" .. ("\0"):rep(7)))
    assert_failure("limit", "a message of 2^63 or more bytes", receive(">I16", ("\255"):rep(16)))
  end)

  it("do not wait for the payload of a message that is too large", function()
    local conn <const> = fake "\255\255\255\255"
    assert_failure("limit", "4294967295", frame.prefixed(conn, ">I4"):receive())
  end)

  it("refuse a negative length", function()
    local frames <const> = frame.prefixed(fake "\255\254\0\1a", ">i2")
    assert_failure("protocol", "a negative length, %-2", frames:receive())
    assert_failure("protocol", "a negative length, %-2", frames:receive())
  end)

  it("refuse a length that does not count itself but should", function()
    local frames <const> = frame.prefixed(fake "\0\1a", ">I2", { inclusive = true })
    assert_failure("protocol", "a length of 1 does not count its own 2 bytes", frames:receive())
  end)

  it("tell how much is missing of the length and of the payload", function()
    assert_failure("closed", "3 of the 4 bytes of its length are missing",
      frame.prefixed(fake "\0", ">I4"):receive())
    assert_failure("closed", "2 of the 5 bytes of its payload are missing",
      frame.prefixed(fake "\0\0\0\5abc", ">I4"):receive())
    assert_failure("closed", "5 of the 5 bytes of its payload are missing",
      frame.prefixed(fake "\0\0\0\5", ">I4"):receive())
  end)

  it("need one integer format", function()
    for _, format in ipairs { "s4", "I4I4", "z", "", ">", "I17", "I0", "B2", "d", "!I4", "i4 ", 4, false } do
      assert_misuse("'format' (integer format of string.pack expected", function()
        local _ = frame.prefixed(fake(), format)
      end)
    end
  end)
end)

describe("varint frames", function()
  local function receive(bytes) return frame.varint(fake(bytes), { limit = 300 }):receive() end

  it("have the length as protobuf writes it", function()
    for size, prefix in pairs { [0] = "\0", "\1", [127] = "\127", [128] = "\128\1", [300] = "\172\2" } do
      local conn <const> = fake()
      frame.varint(conn):send(("x"):rep(size))
      assert.equal(prefix .. ("x"):rep(size), written(conn))
    end
  end)

  it("refuse a length with needless bytes", function()
    assert_failure("protocol", "needless", receive "\128\0")
    assert_failure("protocol", "needless", receive "\129\128\0a")
  end)

  it("refuse a length of more than ten bytes or 64 bits", function()
    assert_failure("protocol", "more than 64 bits", receive(("\255"):rep(10)))
    assert_failure("protocol", "more than 64 bits", receive(("\255"):rep(9) .. "\2"))
  end)

  it("refuse the largest length there is because of the limit", function()
    assert_failure("limit", "18446744073709551615 bytes is over", receive(("\255"):rep(9) .. "\1"))
  end)

  it("tell an end inside the length", function()
    assert_failure("closed", "1 of the 1 bytes of its length are missing", receive "\128")
  end)
end)

describe("netstrings", function()
  local function receive(bytes, limit) return frame.netstring(fake(bytes), { limit = limit }):receive() end

  it("have the bytes that their inventor says", function()
    local conn <const> = fake()
    frame.netstring(conn):send "hello world!"
    frame.netstring(conn):send ""
    frame.netstring(conn):send("a", "b")
    assert.same({ "12:hello world!,", "0:,", "2:ab," }, conn.writes)
  end)

  it("refuse leading zeros, signs, blanks and other digits", function()
    for _, length in ipairs { "00", "01", "-1", "+1", " 1", "1 ", "0x1", "1.", "", "a", "1e1" } do
      assert_failure("protocol", "the length of a netstring is", receive(length .. ":a,"))
    end
  end)

  it("refuse another byte in the place of the comma, for good", function()
    local frames <const> = frame.netstring(fake "1:a;1:b,")
    assert_failure("protocol", "\";\" where a netstring's comma must be", frames:receive())
    assert_failure("protocol", "comma", frames:receive())
  end)

  it("give up on a stream without a length", function()
    assert_failure("protocol", "no ':' in 20 bytes", receive(("1"):rep(40)))
  end)

  it("name the size of a message that is too large, even beyond 64 bits", function()
    assert_failure("limit", "a message of 11 bytes is over the limit of 10", receive("11:", 10))
    assert_failure("limit", "a message of 99999999999999999999 bytes", receive("99999999999999999999:"))
  end)

  it("tell an end before the comma", function()
    assert_failure("closed", "1 of the 1 bytes of its comma are missing", receive "3:abc")
    assert_failure("closed", "2 bytes into its length", receive "12")
  end)
end)
