--- Messages have a limit, however they come: section 9 of the Autobahn suite.

local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local raw <const> = require "spec.fixtures.websocket"

local LIMIT <const> = 1000

describe("a WebSocket's limit", function()
  helper.leaves_nothing(before_each, after_each)

  describe("", function()
    local server, conn, ended
    before_each(function()
      ended = nil
      server = raw.serve(function(socket)
        local message, why, code
        repeat
          message, why, code = socket:receive()
          if message then socket:send_binary(message) end
        until not message
        ended = { why, code, socket.close_code }
      end, { limit = LIMIT })
      conn = raw.open(server)
    end)
    after_each(function()
      conn:close()
      server:close()
    end)

    local function assert_echoed(size)
      assert.equal(size, #raw.read_frame(conn).payload)
    end

    --- The bytes are too many, and that is said before more of them come.
    local function assert_too_big(...)
      conn:write(...)
      local code <const>, reason <const> = raw.read_close(conn)
      assert.same({ 1009, "a message over the limit" }, { code, reason })
      helper.eventually(function() return ended end)
      assert.same({ "limit", 1009 }, { ended[2], ended[3] })
      assert.matches("over the limit", ended[1])
    end

    it("is met by a message of just so many bytes", function()
      for _ = 1, 3 do
        conn:write(raw.frame(raw.TEXT, ("x"):rep(LIMIT)))
        assert_echoed(LIMIT)
        conn:write(raw.fragments(raw.TEXT, ("x"):rep(LIMIT), 300))
        assert_echoed(LIMIT)
      end
    end)

    for _, length in ipairs { LIMIT + 1, 65535, 65536, 1 << 31, (1 << 32) + 1, math.maxinteger } do
      it("is seen in the header of a frame that says " .. length, function()
        assert_too_big(raw.frame(raw.BINARY, "", { length = length, size = length > 65535 and 8 or 2 }))
      end)
    end

    it("is seen in the header of a fragment", function()
      assert_too_big(raw.frame(raw.BINARY, ("x"):rep(600), { more = true }),
        raw.frame(0, "", { length = LIMIT - 600 + 1, size = 2 }))
    end)

    it("holds for many small fragments", function()
      local fragment <const> = raw.frame(0, ("x"):rep(10), { more = true })
      assert_too_big(raw.frame(raw.BINARY, "", { more = true }), fragment:rep(LIMIT // 10), raw.frame(0, "x"))
    end)

    it("is not met by the frames between fragments", function()
      conn:write(raw.frame(raw.TEXT, ("x"):rep(LIMIT - 1), { more = true }))
      for _ = 1, 5 do
        conn:write(raw.frame(raw.PING, ("p"):rep(125)))
        assert_echoed(125)
      end
      conn:write(raw.frame(0, "y"))
      assert_echoed(LIMIT)
    end)

    it("counts each message anew", function()
      for _ = 1, 5 do
        conn:write(raw.frame(raw.TEXT, ("x"):rep(LIMIT // 2), { more = true }), raw.frame(0, ("x"):rep(LIMIT // 2)))
        assert_echoed(LIMIT)
      end
      assert_too_big(raw.frame(raw.TEXT, ("x"):rep(LIMIT), { more = true }), raw.frame(0, "y"))
    end)
  end)

  it("is 1 MiB unless told otherwise", function()
    local server <close> = raw.serve(function(socket) socket:send(tostring(#socket:receive())) end)
    local conn <close> = raw.open(server)
    conn:write(raw.frame(raw.BINARY, ("x"):rep(1 << 20), { mask = "\0\0\0\0" }))
    assert.equal("1048576", raw.read_frame(conn).payload)
    local other <close> = raw.open(server)
    other:write(raw.frame(raw.BINARY, "", { length = (1 << 20) + 1, size = 8 }))
    local failures <close> = helper.failures()
    assert.equal(1009, (raw.read_close(other)))
    helper.eventually(function() return #failures == 1 end) -- of the length of nil
  end)

  it("and the other options are checked when the handler is registered", function()
    local app <const> = http.app()
    for name, values in pairs {
      limit = { 0, -1, 1.5, 1 << 31, "x", {} }, ping = { 0, -1, 0 / 0, "x", {} }, compress = { 1, "yes" },
      protocols = { "chat", 1 }, origins = { "http://example.org", 1, true }, limt = { 1 },
    } do
      for _, value in ipairs(values) do
        local ok <const>, message <const> = pcall(app.websocket, app, "/" .. name, raw.echo, { [name] = value })
        assert.same({ name, tostring(value), false }, { name, tostring(value), ok })
        assert.matches("option '" .. name .. "'", message)
      end
    end
    assert.is_false((pcall(app.websocket, app, "/", nil)))
  end)

  it("bounds what a client that never ends its message costs", function()
    local server <close> = raw.serve(nil, { limit = 1 << 30 })
    local conn <close> = raw.open(server)
    local function resident() return tonumber(io.lines "/proc/self/statm"():match "^%d+ (%d+)") * 4096 end
    local before <const> = resident()
    conn:write(raw.frame(raw.BINARY, "x", { length = 1 << 29, size = 8 }))
    conn:write(("x"):rep(1000))
    conn:flush()
    assert.is_true(resident() - before < 1 << 28)
    conn:abort()
  end)
end)
