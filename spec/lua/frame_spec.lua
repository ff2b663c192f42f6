local fake <const> = require "spec.fixtures.memory_connection"
local fixture <const> = require "spec.fixtures.frames"
local frame <const> = require "perigee.frame"

local assert_failure <const>, assert_misuse <const> = fixture.assert_failure, fixture.assert_misuse
local written <const> = fixture.written

-- One of each framing that carries strings of any content and size, by name.
local framings <const> = {
  ["a big-endian 4-byte prefix"] = function(conn, options) return frame.prefixed(conn, ">I4", options) end,
  ["a little-endian signed prefix"] = function(conn, options) return frame.prefixed(conn, "<i2", options) end,
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

local texts <const> = { "hello", "", "a", ("x"):rep(127), ("y"):rep(128), ("z"):rep(9999), "\0\255,:\n", "" }

for name, open in pairs(framings) do
  describe("frames with " .. name, function()
    it("arrive as they were sent, however the stream is cut", function()
      local out <const> = fake()
      local sender <const> = open(out)
      for _, message in ipairs(texts) do assert.is_true(sender:send(message)) end
      for _, piece in ipairs { 1, 2, 3, 10, 100, 1000, 30000 } do
        local receiver <const> = open(fake(written(out), { piece = piece }))
        for _, message in ipairs(texts) do assert.equal(message, (receiver:receive())) end
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
      until not message and code ~= "timeout"
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
        assert_failure("closed",
          "^receive from tcp://127.0.0.1:5000: the stream ended inside a message, .*miss", receiver:receive())
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
describe("frames of buffers", function()
  -- Only C makes userdata, so a file lends us its type.
  local files <const> = {}

  local function buffer(text)
    local file <const> = assert(io.tmpfile())
    files[file] = debug.getmetatable(file)
    return debug.setmetatable(file, { __index = { cast = function() return text end } })
  end

  after_each(function()
    for file, metatable in pairs(files) do debug.setmetatable(file, metatable):close() end
    for file in pairs(files) do files[file] = nil end
  end)

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
