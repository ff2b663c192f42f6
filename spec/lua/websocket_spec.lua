--- The client's side of WebSocket, once it is connected; the handshake is in websocket_connect_spec.lua.

local helper <const> = require "spec.helper"
local raw <const> = require "spec.fixtures.websocket"
local task <const> = require "perigee.task"
local websocket <const> = require "perigee.websocket"

local DEFLATE <const> = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

local assert_failure <const> = helper.assert_failure

describe("a WebSocket's client", function()
  helper.leaves_nothing(before_each, after_each)

  it("talks to our server, texts and bytes of any size", function()
    local server <close> = raw.serve()
    for _, compress in ipairs { true, false } do
      local socket <close> = assert(websocket.connect(raw.url_of(server), { compress = compress }))
      for _, size in ipairs { 0, 1, 125, 126, 1023, 1024, 4096, 65535, 65536, helper.is_tiny and 1 or 1 << 20 } do
        local text <const>, bytes <const> = ("t"):rep(size), ("\xff"):rep(size)
        assert.is_true(socket:send(text))
        assert.is_true(socket:send_binary(bytes))
        local got <const>, is_binary <const> = socket:receive()
        assert.is_true(got == text and not is_binary)
        local got_bytes <const>, bytes_are_binary <const> = socket:receive()
        assert.is_true(got_bytes == bytes and bytes_are_binary)
      end
    end
  end)

  it("tells about itself", function()
    local server <close> = raw.serve()
    local socket <close> = assert(websocket.connect(raw.url_of(server)))
    assert.is_true(socket.is_open)
    assert.equal(tostring(server.address), tostring(socket.peer))
    assert.equal("websocket: " .. tostring(server.address), tostring(socket))
    socket:close(3000, "done")
    assert.same({ false, 3000 }, { socket.is_open, socket.close_code })
  end)

  it("asks as the standard wants it", function()
    local asked
    local server <close> = raw.raw_server(nil, function(conn, fields)
      asked = fields
      conn:write(raw.close_frame(1000, "", { mask = false }))
    end)
    local socket <close> = assert(websocket.connect(raw.url_of(server, "/a?b=c"),
      { headers = { ["X-More"] = "more" }, compress = false }))
    assert_failure("closed", "closed with code 1000", socket:receive())
    local key <const> = asked["sec-websocket-key"]
    assert.matches("^[%w+/]+==$", key)
    asked["sec-websocket-key"] = nil
    local authority <const> = tostring(server.address):match "//(.*)"
    assert.same({ #key, { host = authority, upgrade = "websocket", connection = "Upgrade",
      ["sec-websocket-version"] = "13", ["x-more"] = "more" } }, { 24, asked })
  end)

  it("asks with a new key and new masks each time", function()
    local seen <const>, count = {}, 0
    local function note(bytes)
      count = count + (seen[bytes] and 0 or 1)
      seen[bytes] = true
    end
    local server <close> = raw.raw_server(nil, function(conn, fields)
      note(fields["sec-websocket-key"])
      for _ = 1, 10 do
        assert(conn:read(2))
        note(conn:read(4))
        conn:read(5)
      end
      conn:write(raw.close_frame(1000, "", { mask = false }))
    end)
    for _ = 1, 3 do
      local socket <close> = assert(websocket.connect(raw.url_of(server), { compress = false }))
      for _ = 1, 10 do socket:send "hello" end
      socket:receive()
    end
    assert.equal(33, count)
  end)

  it("chooses among protocols", function()
    local server <close> = raw.serve(function(socket, request) socket:send(request.protocol or "none") end,
      { protocols = { "v1", "v2" } })
    for expected, protocols in pairs { v2 = { "other", "v2", "v1" }, v1 = { "v1" }, none = { "other" } } do
      local socket <close>, protocol <const> = assert(websocket.connect(raw.url_of(server), { protocols = protocols }))
      assert.equal(expected, (socket:receive()))
      assert.equal(expected ~= "none" and expected or nil, protocol)
    end
  end)

  describe("behind the handshake", function()
    --- Serves one raw peer and gives our own client's end to f; f may return what ends the peer.
    local function with_peer(serve, f, options, answer)
      local server <close> = raw.raw_server(answer, serve)
      local socket <close> = assert(websocket.connect(raw.url_of(server), options))
      return f(socket)
    end

    local function unmasked(opcode, payload, options)
      options = options or {}
      options.mask = false
      return raw.frame(opcode, payload, options)
    end

    it("reads what came together with the answer", function()
      with_peer(function(conn)
        conn:write(unmasked(raw.TEXT, "first"), unmasked(raw.BINARY, "second"))
        conn:write(raw.close_frame(4000, "", { mask = false }))
      end, function(socket)
        assert.same({ "first", false }, { socket:receive() })
        assert.same({ "second", true }, { socket:receive() })
        assert_failure("closed", "code 4000", socket:receive())
        assert.equal(4000, socket.close_code)
      end)
    end)

    it("masks every frame", function()
      local frames <const> = {}
      with_peer(function(conn)
        conn:write(unmasked(raw.PING, "ping"))
        for i = 1, 6 do frames[i] = raw.read_frame(conn) end
        conn:shutdown()
      end, function(socket)
        socket:send "text"
        socket:send_binary(("b"):rep(70000))
        socket:ping "own"
        local reader <const> = task.spawn(socket.receive, socket)
        helper.eventually(function() return #frames == 4 end)
        socket:send ""
        socket:close(3000, "reason")
        reader:join()
        helper.eventually(function() return #frames == 6 end)
      end, { compress = false })
      local kinds <const> = {}
      for _, frame in ipairs(frames) do
        assert.same({ true, true, 0 }, { frame.masked, frame.final, frame.rsv })
        kinds[#kinds + 1] = frame.opcode .. " " .. #frame.payload
      end
      assert.same({ "1 4", "2 70000", "9 3", "10 4", "1 0", "8 8" }, kinds)
    end)

    it("refuses a server that masks", function()
      for _, frame in ipairs { raw.frame(raw.TEXT, "x"), raw.frame(raw.PING, ""), raw.close_frame(1000) } do
        local code
        with_peer(function(conn)
          conn:write(frame)
          code = raw.read_close(conn)
        end, function(socket)
          assert_failure("protocol", "server must not mask", socket:receive())
          assert.equal(1002, socket.close_code)
        end)
        helper.eventually(function() return code end)
        assert.equal(1002, code)
      end
    end)

    it("checks the server's frames as a server checks a client's", function()
      for bytes, expected in pairs {
        [unmasked(3, "")] = 1002, [unmasked(raw.TEXT, "x", { rsv = 4 })] = 1002, [unmasked(raw.TEXT, "\xff")] = 1007,
        [unmasked(0, "x")] = 1002, [unmasked(raw.BINARY, "", { length = 1001, size = 2 })] = 1009,
        [unmasked(raw.PING, ("x"):rep(126))] = 1002, [raw.close_frame(1005, "", { mask = false })] = 1002,
      } do
        local code
        with_peer(function(conn)
          conn:write(bytes)
          code = raw.read_close(conn)
        end, function(socket)
          assert_failure(expected == 1009 and "limit" or "protocol", "", socket:receive())
          assert.equal(expected, socket.close_code)
          helper.eventually(function() return code == expected end)
        end, { limit = 1000, compress = false })
      end
    end)

    it("compresses what is worth it, when that was agreed", function()
      local frames <const> = {}
      with_peer(function(conn)
        conn:write(unmasked(raw.TEXT, raw.stored "Hello", { rsv = 4 }), unmasked(raw.TEXT, "plain"))
        for i = 1, 2 do frames[i] = raw.read_frame(conn) end
        conn:write(raw.close_frame(1000, "", { mask = false }))
      end, function(socket)
        assert.same({ "Hello", "plain" }, { (socket:receive()), (socket:receive()) })
        socket:send "short"
        socket:send(("long "):rep(1000))
        socket:receive()
        assert.same({ 0, 4 }, { frames[1].rsv, frames[2].rsv })
        assert.is_true(#frames[2].payload < 200)
      end, nil, { ["Sec-WebSocket-Extensions"] = DEFLATE })
    end)

    it("sends its close, also when the server has sent much that nobody reads", function()
      local code, reason
      with_peer(function(conn)
        conn:write(unmasked(raw.BINARY, ("x"):rep(100000)))
        local frame <const> = raw.read_frame(conn)
        code, reason = string.unpack(">I2", frame.payload), frame.payload:sub(3)
      end, function(socket)
        socket:close(3001, "enough")
        helper.eventually(function() return code end)
      end)
      assert.same({ 3001, "enough" }, { code, reason })
    end)

    it("answers the server's close with the same code", function()
      for _, expected in ipairs { 1000, 1001, 1011, 3000, 4999 } do
        local code
        with_peer(function(conn)
          conn:write(raw.close_frame(expected, "bye", { mask = false }))
          code = raw.read_close(conn)
        end, function(socket)
          assert_failure("closed", "closed with code " .. expected, socket:receive())
          helper.eventually(function() return code end)
        end)
        assert.equal(expected, code)
      end
    end)

    it("notices that the server vanishes", function()
      local go <const> = task.channel(1)
      with_peer(function(conn)
        go:receive()
        conn:abort()
      end, function(socket)
        go:send(true)
        assert_failure("reset", "", socket:receive())
        assert.same({ 1006, false }, { socket.close_code, socket.is_open })
        assert_failure("reset", "^send to http://", socket:send "x")
      end)
    end)

    it("pings a silent server, and ends when it does not answer", function()
      local first
      with_peer(function(conn)
        first = raw.read_frame(conn)
        conn:read_all()
      end, function(socket)
        assert_failure("timeout", "does not answer pings", socket:receive())
        assert.same({ raw.PING, true }, { first.opcode, first.masked })
      end, { ping = 0.02 })
    end)

    it("waits while the server takes nothing", function()
      local go <const> = task.channel(1)
      local total <const> = helper.is_tiny and 30 or 60
      local message <const> = ("x"):rep(helper.is_tiny and 20000 or 200000)
      local count = 0
      with_peer(function(conn)
        go:receive()
        for _ = 1, total do
          assert.equal(#message, #raw.read_frame(conn).payload)
          count = count + 1
        end
      end, function(socket)
        local writer <const> = task.spawn(function()
          for _ = 1, total do assert(socket:send(message)) end
          return true
        end)
        if not helper.is_tiny then
          helper.eventually(function() return writer.state == "waiting" end)
          assert.is_true(socket.queued > 0)
        end
        go:send(true)
        assert.is_true((writer:join()))
        helper.eventually(function() return count == total end)
      end, { compress = false })
    end)
  end)
end)
