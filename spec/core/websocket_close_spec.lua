--- The closing handshake, both ways: section 7 of the Autobahn suite; and what a handler's end means.

local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local raw <const> = require "spec.fixtures.websocket"
local task <const> = require "perigee.task"

local valid <const> = { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999 }
local invalid <const> = { 0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 9999, 65535 }

describe("a WebSocket's close", function()
  helper.leaves_nothing(before_each, after_each)

  describe("by the client", function()
    local server, conn, received
    before_each(function()
      received = nil
      server = raw.serve(function(socket)
        local got
        repeat got = table.pack(socket:receive()) until not got[1]
        received = { got[2], got[3], socket.close_code, socket.is_open, socket }
      end)
      conn = raw.open(server)
    end)
    after_each(function()
      conn:close()
      server:close()
    end)

    local function assert_ended(code, close_code)
      helper.eventually(function() return received end)
      assert.same({ code, close_code, false }, { received[2], received[3], received[4] })
      assert.matches("^receive from http://127%.0%.0%.1:%d+: ", received[1])
    end

    local function assert_refused(pattern)
      local code <const>, reason <const> = raw.read_close(conn)
      assert.equal(1002, code)
      assert.matches(pattern, reason)
      assert_ended("protocol", 1002)
    end

    for _, code in ipairs(valid) do
      it("with " .. code .. " is answered with the same", function()
        conn:write(raw.close_frame(code, "the reason"))
        assert.same({ code, "", {} }, { raw.read_close(conn) })
        assert_ended("closed", code)
      end)
    end

    for _, code in ipairs(invalid) do
      it("with " .. code .. " is refused", function()
        conn:write(raw.close_frame(code))
        assert_refused "invalid code"
      end)
    end

    it("without a code is answered without one", function()
      conn:write(raw.close_frame())
      assert.is_nil((raw.read_close(conn)))
      assert_ended("closed", 1005)
    end)

    it("that comes byte by byte is answered", function()
      raw.write_slowly(conn, raw.close_frame(4321, "gr\u{fc}\u{df}e"))
      assert.equal(4321, (raw.read_close(conn)))
      assert_ended("closed", 4321)
    end)

    it("with half a code is refused", function()
      conn:write(raw.frame(raw.CLOSE, "\3"))
      assert_refused "half a code"
    end)

    it("may have a reason of 123 bytes, and no more", function()
      conn:write(raw.close_frame(1000, ("x"):rep(123)))
      assert.equal(1000, (raw.read_close(conn)))
      conn = raw.open(server)
      conn:write(raw.close_frame(1000, ("x"):rep(124)))
      assert_refused "longer than 125"
    end)

    it("may have any reason of UTF-8, and no other", function()
      for _, reason in ipairs { "\u{20ac}\u{10ffff}", "\0", ("\u{20ac}"):rep(41) } do
        conn:write(raw.close_frame(1000, reason))
        assert.equal(1000, (raw.read_close(conn)))
        conn = raw.open(server)
      end
      for _, reason in ipairs { "\xff", "\xc0\xaf", "cut \xe2\x82", "\xed\xa0\x80" } do
        received = nil
        conn:write(raw.close_frame(1000, reason))
        assert_refused "UTF%-8"
        conn = raw.open(server)
      end
    end)

    it("is the end: frames behind it are not answered", function()
      conn:write(raw.close_frame(1000), raw.frame(raw.PING, "x"), raw.frame(raw.TEXT, "x"), raw.close_frame(4000),
        raw.frame(3, ""))
      local code <const>, _, before <const> = raw.read_close(conn)
      assert.same({ 1000, {} }, { code, before })
      assert_ended("closed", 1000)
    end)

    it("comes after what was sent before it", function()
      local busy <close> = raw.serve()
      local client <close> = raw.open(busy)
      client:write(raw.frame(raw.TEXT, "last words"), raw.close_frame(1000))
      local code <const>, _, before <const> = raw.read_close(client)
      assert.same({ 1000, 1, "last words" }, { code, #before, before[1].payload })
    end)

    it("is no close when the connection just ends", function()
      conn:shutdown()
      assert.equal("", (conn:read_all()))
      assert_ended("closed", 1006)
    end)

    it("is no close when the connection ends behind a message, which is answered", function()
      local busy <close> = raw.serve()
      local client <close> = raw.open(busy)
      client:write(raw.frame(raw.TEXT, "last words"))
      client:shutdown()
      assert.equal("last words", raw.read_frame(client).payload)
      assert.equal("", (client:read_all()))
    end)

    it("is no close when the connection ends within a frame", function()
      conn:write(raw.frame(raw.TEXT, "hello"):sub(1, -2))
      conn:shutdown()
      assert.equal("", (conn:read_all()))
      assert_ended("closed", 1006)
    end)

    it("is no close when the client vanishes", function()
      conn:abort()
      assert_ended("reset", 1006)
      assert.equal("reset", (select(3, received[5]:receive())))
    end)
  end)

  describe("by the handler", function()
    local function close_of(handler, during)
      local server <close> = raw.serve(handler)
      local conn <close> = raw.open(server)
      if during then during(conn, server) end
      return raw.read_close(conn)
    end

    for _, code in ipairs(valid) do
      it("with " .. code .. " reaches the client", function()
        local after
        local got <const>, reason <const> = close_of(function(socket)
          socket:close(code, "gr\u{fc}\u{df}e")
          after = { socket.is_open, socket.close_code }
        end)
        assert.same({ code, "gr\u{fc}\u{df}e", { false, code } }, { got, reason, after })
      end)
    end

    it("refuses codes that may not be sent, long reasons and those that are no text, and stays open", function()
      local failures <const> = {}
      close_of(function(socket)
        for _, code in ipairs { -1, math.maxinteger, math.mininteger, 66536, table.unpack(invalid) } do
          local ok <const>, message <const> = pcall(function() socket:close(code) end)
          if ok or not message:find "bad argument #1 to 'close'.*no close code" then failures[#failures + 1] = code end
        end
        for _, reason in ipairs { ("x"):rep(124), "\xff", "\xe2\x82" } do
          local ok <const>, message <const> = pcall(function() socket:close(1000, reason) end)
          if ok or not message:find "bad argument #2 to 'close'" then failures[#failures + 1] = reason end
        end
        failures.open = socket.is_open
      end)
      assert.same({ open = true }, failures)
    end)

    it("sends what was sent before it", function()
      local size <const> = helper.is_tiny and 3000 or 3000000
      local code <const>, reason <const>, before <const> = close_of(function(socket)
        task.spawn(function() socket:send_binary(("x"):rep(size)) end)
        task.sleep(0)
        socket:send "last"
        socket:close(3001, "done")
      end)
      assert.same({ 3001, "done", 2, size, "last" },
        { code, reason, #before, #before[1].payload, before[2].payload })
    end)

    it("twice does nothing, and keeps the first code", function()
      local after
      local code <const>, reason <const> = close_of(function(socket)
        socket:close(3001, "first")
        socket:close(3002, "second")
        socket:close()
        after = socket.close_code
      end)
      assert.same({ 3001, "first", 3001 }, { code, reason, after })
    end)

    it("makes every use of it fail, not raise", function()
      local results
      close_of(function(socket)
        socket:close(3001)
        results = { { socket:receive() }, { socket:send "x" }, { socket:send_binary "x" }, { socket:ping "x" },
          { socket:messages()(socket) }, socket.queued, tostring(socket) }
      end)
      for i, operation in ipairs { "receive from", "send to", "send to", "send to" } do
        assert.same({ nil, "closed" }, { results[i][1], results[i][3] })
        assert.matches("^" .. operation .. " http://127%.0%.0%.1:%d+: closed with code 3001$", results[i][2])
      end
      assert.same({ {}, 0 }, { results[5], results[6] })
      assert.matches("^websocket: http://127%.0%.0%.1:%d+ %(closed%)$", results[7])
    end)

    it("ends a task that receives", function()
      local got
      close_of(function(socket)
        local reader <const> = task.spawn(function() got = { socket:receive() } end)
        task.sleep(0)
        socket:close(3001)
        reader:join()
      end)
      assert.same({ nil, "closed" }, { got[1], got[3] })
    end)

    it("is what a <close> variable does, with and without an error", function()
      assert.equal(1000, (close_of(function(own) local _ <close> = own end)))
      for _, value in ipairs { 42, 4000, "text", {} } do
        assert.equal(1000, (close_of(function(own)
          local ok <const>, got <const> = pcall(function()
            local _ <close> = own
            error(value)
          end)
          assert(not ok and (got == value or tostring(got):find(tostring(value), 1, true)), got)
        end)))
      end
    end)

    it("is 1000 when it returns", function()
      assert.same({ 1000, "", {} }, { close_of(function() end) })
    end)

    it("is 1011 when it raises, and tells the client nothing else", function()
      local failures <close> = helper.failures()
      local code <const>, reason <const> = close_of(function() error "secret" end)
      assert.same({ 1011, "" }, { code, reason })
      helper.eventually(function() return #failures == 1 end)
      assert.matches("websocket_close_spec.lua:%d+: secret", failures[1])
    end)

    it("is 1011 when it raises between messages, also within a fragmented one", function()
      local failures <close> = helper.failures()
      local code <const> = close_of(function(socket)
        socket:receive()
        error {}
      end, function(conn)
        conn:write(raw.frame(raw.TEXT, "one"), raw.frame(raw.TEXT, "two", { more = true }))
      end)
      assert.equal(1011, code)
      helper.eventually(function() return #failures == 1 end)
    end)

    it("keeps the first code when it raises after it closed", function()
      local failures <close> = helper.failures()
      assert.equal(3001, (close_of(function(socket)
        socket:close(3001)
        error "late"
      end)))
      helper.eventually(function() return #failures == 1 end)
    end)

    it("destroys nothing when the client is still sending", function()
      local code <const> = close_of(function(socket)
        socket:receive()
        socket:close(3001)
      end, function(conn)
        conn:write(raw.frame(raw.TEXT, "go"))
        for _ = 1, 20 do conn:write(raw.frame(raw.BINARY, ("x"):rep(1000))) end
      end)
      assert.equal(3001, code)
    end)

    it("goes on at both ends at once", function()
      local go <const> = task.channel(1)
      local code <const> = close_of(function(socket)
        go:receive()
        socket:close(3001)
      end, function(conn)
        conn:write(raw.close_frame(3002))
        conn:flush()
        go:send(true)
      end)
      assert.equal(3001, code)
    end)
  end)

  it("is 1001 when the server is stopped", function()
    local script <const> = helper.directory { ["echo.lua"] = [[
      local http <const> = require "perigee.http"
      local app <const> = http.app()
      app:websocket("/", function(socket) for text in socket:messages() do socket:send(text) end end)
      http.serve("http://127.0.0.1:0", app)
    ]] }
    local _ <close> = script
    local process <close>, address <const> = helper.serve(tostring(script) .. "/echo.lua")
    local conn <close> = raw.open { address = address }
    conn:write(raw.frame(raw.TEXT, "hello"))
    assert.equal("hello", raw.read_frame(conn).payload)
    process:signal "TERM"
    assert.equal(1001, (raw.read_close(conn)))
    assert.equal(0, process:wait())
  end)

  it("of the listener leaves the sockets that there are", function()
    local server <const> = raw.serve()
    local conn <close> = raw.open(server)
    server:close()
    conn:write(raw.frame(raw.TEXT, "still here"))
    assert.equal("still here", raw.read_frame(conn).payload)
    assert.is_nil((net.connect((tostring(server.address):gsub("^http", "tcp")))))
    conn:write(raw.close_frame(1000))
    assert.equal(1000, (raw.read_close(conn)))
  end)
end)
