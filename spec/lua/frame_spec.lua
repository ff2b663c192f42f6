local frame <const> = require "perigee.frame"

-- A connection in memory that behaves as the real one does: reads wait for pieces of random sizes (here: pull them),
-- a failed read leaves what has arrived, and writes are recorded.
local function fake(input, options)
  options = options or {}
  local conn <const> = { peer = setmetatable({}, { __tostring = function() return "tcp://127.0.0.1:5000" end }) }
  local source, pending = input or "", ""
  conn.writes = {}

  local function pull()
    if conn.stalls and conn.stalls > 0 and math.random(2) == 1 then
      conn.stalls = conn.stalls - 1
      return nil, "read from tcp://127.0.0.1:5000: timed out", "timeout"
    end
    if source == "" then return nil, "read from tcp://127.0.0.1:5000: closed by the peer", "closed" end
    local count <const> = math.random(options.piece or 3)
    pending, source = pending .. source:sub(1, count), source:sub(count + 1)
    return true
  end

  local function consume(count, skip)
    local bytes <const> = pending:sub(1, count)
    pending = pending:sub(count + (skip or 0) + 1)
    return bytes
  end

  function conn:read(count)
    while #pending < count do
      local ok <const>, message <const>, code <const> = pull()
      if not ok then return nil, message, code end
    end
    return consume(count)
  end

  function conn:read_some(max)
    if pending == "" then
      local ok <const>, message <const>, code <const> = pull()
      if not ok then return nil, message, code end
    end
    return consume(math.min(#pending, max or 65536))
  end

  function conn:read_until(delimiter, max)
    while true do
      local first <const> = pending:find(delimiter, 1, true)
      if first and first - 1 <= max then return consume(first - 1, #delimiter) end
      if first or #pending >= max + #delimiter then return nil, "too long", "limit" end
      local ok <const>, message <const>, code <const> = pull()
      if not ok then return nil, message, code end
    end
  end

  function conn:write(...)
    if options.write_failure then return nil, "write: closed", "closed" end
    self.writes[#self.writes + 1] = table.concat { ... }
    return true
  end

  return conn
end

local function written(conn)
  return table.concat(conn.writes)
end

-- One of each framing that carries strings of any content and size, by name.
local framings <const> = {
  ["a big-endian 4-byte prefix"] = function(conn, options) return frame.prefixed(conn, ">I4", options) end,
  ["a little-endian signed 2-byte prefix"] = function(conn, options) return frame.prefixed(conn, "<i2", options) end,
  ["a 3-byte prefix"] = function(conn, options) return frame.prefixed(conn, ">I3", options) end,
  ["an 8-byte signed prefix"] = function(conn, options) return frame.prefixed(conn, ">i8", options) end,
  ["a 16-byte prefix"] = function(conn, options) return frame.prefixed(conn, ">I16", options) end,
  ["a prefix that counts itself"] = function(conn, options)
    return frame.prefixed(conn, ">I4", { inclusive = true, limit = options and options.limit })
  end,
  ["varints"] = function(conn, options) return frame.varint(conn, options) end,
  ["netstrings"] = function(conn, options) return frame.netstring(conn, options) end,
  ["a delimiter of two bytes"] = function(conn, options) return frame.delimited(conn, "\r\n", options) end,
}

local messages <const> = { "hello", "", "a", ("x"):rep(127), ("y"):rep(128), ("z"):rep(20000), "\0\255,:\n", "" }

local function assert_failure(code, pattern, ...)
  local value <const>, message <const>, got <const> = ...
  assert.is_nil(value)
  assert.equal(code, got)
  assert.matches(pattern, message)
end

local function assert_misuse(text, f)
  local ok <const>, message <const> = pcall(f)
  assert.is_false(ok)
  assert.matches("^[^\n]*frame_spec%.lua:%d+: bad argument", message)
  assert.truthy(message:find(text, 1, true), message)
end

for name, open in pairs(framings) do
  describe("frames with " .. name, function()
    it("arrive as they were sent, however the stream is cut", function()
      local out <const> = fake()
      local sender <const> = open(out)
      for _, message in ipairs(messages) do assert.is_true(sender:send(message)) end
      for piece = 1, 20 do
        local receiver <const> = open(fake(written(out), { piece = piece * piece }))
        for _, message in ipairs(messages) do assert.equal(message, (receiver:receive())) end
        assert_failure("closed", "closed by the peer", receiver:receive())
      end
    end)

    it("go on after a timeout at any place", function()
      local out <const> = fake()
      for index = 1, 50 do open(out):send(("m"):rep(index * 7)) end
      local conn <const> = fake(written(out))
      conn.stalls = 200
      local receiver <const>, received <const>, timeouts = open(conn), {}, 0
      repeat
        local message <const>, _, code <const> = receiver:receive()
        received[#received + 1] = message
        if code == "timeout" then timeouts = timeouts + 1 end
      until code == "closed"
      assert.equal(50, #received)
      for index = 1, 50 do assert.equal(("m"):rep(index * 7), received[index]) end
      assert.equal(200, timeouts)
    end)

    it("are made of all the arguments of one send, in one write", function()
      local conn <const> = fake()
      assert.is_true(open(conn):send("id=", 17, ";", 1.5, ""))
      assert.equal(1, #conn.writes)
      assert.equal("id=17;1.5", (open(fake(written(conn))):receive()))
    end)

    it("are iterated over until the stream ends", function()
      local conn <const> = fake()
      for index = 1, 3 do open(conn):send(index) end
      local received <const> = {}
      for message in open(fake(written(conn))):messages() do received[#received + 1] = message end
      assert.same({ "1", "2", "3" }, received)
    end)

    it("tell a message that was cut off from a clean end, and keep telling", function()
      local conn <const> = fake()
      open(conn):send("hello")
      for size = 1, #written(conn) - 1 do
        local receiver <const> = open(fake(written(conn):sub(1, size)))
        assert_failure("closed", "^receive from tcp://127.0.0.1:5000: the stream ended inside a message, .*missing",
          receiver:receive())
        assert_failure("closed", "inside a message", receiver:receive())
      end
    end)

    it("are refused over the limit by the sender, who writes nothing", function()
      local conn <const> = fake()
      local frames <const> = open(conn, { limit = 10 })
      assert_failure("limit", "^send to tcp://127.0.0.1:5000: a message of 11 bytes is over the limit of 10",
        frames:send("12345", "678901"))
      assert.equal(0, #conn.writes)
      assert.is_true(frames:send "1234567890")
    end)

    it("are refused over the limit by the receiver, for good", function()
      local conn <const> = fake()
      open(conn):send "1234567890"
      open(conn):send "12345678901"
      open(conn):send "fine"
      local frames <const> = open(fake(written(conn)), { limit = 10 })
      assert.equal("1234567890", (frames:receive()))
      assert_failure("limit", "10", frames:receive())
      assert_failure("limit", "10", frames:receive())
    end)

    it("have a limit of 1 MiB unless told otherwise", function()
      local frames <const> = open(fake(), nil)
      local code <const> = select(3, frames:send(("x"):rep(1024 * 1024 + 1)))
      assert.equal("limit", code)
    end)

    it("pass on why a write failed", function()
      assert_failure("closed", "write: closed", open(fake("", { write_failure = true })):send "x")
    end)

    it("name the connection", function()
      local conn <const> = fake()
      assert.equal(conn, open(conn).conn)
      assert.equal("frames over tcp://127.0.0.1:5000", tostring(open(conn)))
    end)

    it("raise for misuse at the caller's line", function()
      assert_misuse("'conn' (connection expected, got nil)", function() local _ = open(nil) end)
      assert_misuse("'limit' (positive integer expected, got 0)", function()
        local _ = open(fake(), { limit = 0 })
      end)
      assert_misuse("'limit' (positive integer expected, got 1.5)", function()
        local _ = open(fake(), { limit = 1.5 })
      end)
      assert_misuse("'message #2' (string, number or buffer expected, got boolean)", function()
        local _ = open(fake()):send("a", true)
      end)
      assert_misuse("'message #1' (string, number or buffer expected, got nil)", function()
        local _ = open(fake()):send()
      end)
    end)
  end)
end

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
    assert_misuse("'options' (table expected, got 5)", function() local _ = frame.delimited(fake(), "\n", 5) end)
  end)
end)

describe("prefixed frames", function()
  it("have the bytes that the format says", function()
    local expected <const> = {
      [">I4"] = "\0\0\0\2hi", ["<I2"] = "\2\0hi", B = "\2hi", [">i8"] = "\0\0\0\0\0\0\0\2hi", [">I3"] = "\0\0\2hi",
      [">T"] = "\0\0\0\0\0\0\0\2hi",
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
    assert_failure("limit", "ends at 254", frame.prefixed(fake(), "B", { inclusive = true }):send(("x"):rep(255)))
  end)

  it("name the size and the limit of a message that is too large", function()
    local function receive(format, bytes) return frame.prefixed(fake(bytes), format, { limit = 8 }):receive() end
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
    assert_failure("closed", "3 of the 4 bytes of its length are missing", frame.prefixed(fake "\0", ">I4"):receive())
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
  local function receive(bytes, limit) return frame.varint(fake(bytes), { limit = limit or 300 }):receive() end

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
    assert_failure("limit", "18446744073709551615 bytes is over the limit of 300", receive(("\255"):rep(9) .. "\1"))
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
    assert_misuse("'...' (2 values expected, got 1)", function() local _ = frame.struct(fake(), "BB"):send(1) end)
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

describe("frames of buffers", function()
  -- A userdata of plain Lua that has a metatable is a file: it lends us its type.
  local function buffer(text)
    local file <const> = assert(io.tmpfile())
    debug.setmetatable(file, { -- io.tmpfile's metatable is shared by all files; this one gets its own
      __index = { cast = function() return text end },
      __name = "perigee.buffer",
    })
    return file
  end

  it("are measured in bytes", function()
    local conn <const> = fake()
    local parts
    function conn:write(...)
      parts = { ... }
      return true
    end
    local bytes <const> = buffer "12345678"
    assert.is_true(frame.prefixed(conn, ">I2"):send(bytes, "!"))
    assert.same({ "\0\9", bytes, "!" }, parts)
    assert.is_true(frame.netstring(conn):send(bytes))
    assert.same({ "8:", bytes, "," }, parts)
  end)

  it("cannot be delimited, because nothing looks into them", function()
    assert_misuse("'message #1' (string or number expected, got userdata)", function()
      local _ = frame.delimited(fake(), "\n"):send(buffer "x")
    end)
  end)
end)
