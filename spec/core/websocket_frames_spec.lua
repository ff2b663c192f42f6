--- Framing, control frames, reserved bits and opcodes, masks, fragmentation: sections 1 to 5 and 10 of the Autobahn
--- suite.

local helper <const> = require "spec.helper"
local raw <const> = require "spec.fixtures.websocket"

local LARGE <const> = helper.is_tiny and { 65535, 65536 } or { 65535, 65536, 65537, 131072, 1048576 }
local BYTE_BY_BYTE <const> = helper.is_tiny and 129 or 70000

local text_of <const> = setmetatable({}, { __index = function(_, size)
  return ("0123456789abcdef"):rep(size // 16 + 1):sub(1, size)
end })

describe("a WebSocket's server", function()
  helper.leaves_nothing(before_each, after_each)

  describe("", function()
    local server, conn, ended
    local function watched(socket)
      local message, is_binary
      repeat
        message, is_binary, ended = socket:receive()
        if message then socket[is_binary and "send_binary" or "send"](socket, message) end
      until not message
      ended = { ended, socket.close_code, is_binary }
    end
    before_each(function()
      ended = nil
      server = raw.serve(watched, { limit = 2 << 20 })
      conn = raw.open(server)
    end)
    after_each(function()
      conn:close()
      server:close()
    end)

    local function assert_echoed(opcode, payload)
      local frame <const> = assert(raw.read_frame(conn))
      assert.same({ opcode, true, 0, false, #payload },
        { frame.opcode, frame.final, frame.rsv, frame.masked, #frame.payload })
      assert.is_true(frame.payload == payload)
    end

    --- The bytes make the server fail the connection with 1002, and say so to client and handler.
    local function assert_protocol_error(pattern, ...)
      conn:write(...)
      local code <const>, reason <const>, before <const> = raw.read_close(conn)
      assert.same({ 1002, {} }, { code, before })
      assert.matches(pattern, reason)
      helper.eventually(function() return ended end)
      assert.same({ "protocol", 1002 }, { ended[1], ended[2] })
      assert.matches("^receive from http://127.0.0.1:%d+: .*" .. pattern, ended[3])
    end

    describe("takes and sends messages", function()
      for _, size in ipairs { 0, 1, 125, 126, 127, 128, table.unpack(LARGE) } do
        it("of " .. size .. " bytes", function()
          for _, opcode in ipairs { raw.TEXT, raw.BINARY } do
            conn:write(raw.frame(opcode, text_of[size]))
            assert_echoed(opcode, text_of[size])
          end
        end)
      end

      for _, size in ipairs { 0, 125, 126, 128, 65535, 65536 } do
        if size <= BYTE_BY_BYTE then
          it("of " .. size .. " bytes that come byte by byte", function()
            raw.write_slowly(conn, raw.frame(raw.TEXT, text_of[size]))
            assert_echoed(raw.TEXT, text_of[size])
          end)
        end
      end

      it("of every byte", function()
        local bytes <const> = {}
        for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
        conn:write(raw.frame(raw.BINARY, table.concat(bytes)))
        assert_echoed(raw.BINARY, table.concat(bytes))
      end)

      it("whose masks are of any bytes, zeroes too", function()
        for _, mask in ipairs { "\0\0\0\0", "\xff\xff\xff\xff", "\0\0\0\1", "abcd" } do
          for size = 0, 20 do
            conn:write(raw.frame(raw.TEXT, text_of[size], { mask = mask }))
            assert_echoed(raw.TEXT, text_of[size])
          end
        end
      end)

      it("many of which come at once, in order", function()
        local frames <const> = {}
        for i = 1, 1000 do frames[i] = raw.frame(raw.TEXT, "message " .. i) end
        conn:write(table.concat(frames))
        for i = 1, 1000 do assert_echoed(raw.TEXT, "message " .. i) end
      end)
    end)

    describe("answers pings", function()
      it("of up to 125 bytes, with the same bytes", function()
        for _, payload in ipairs { "", "hello", "\0\xff\xfe\xfd", ("x"):rep(125) } do
          conn:write(raw.frame(raw.PING, payload))
          assert_echoed(raw.PONG, payload)
        end
      end)

      it("that come byte by byte", function()
        raw.write_slowly(conn, raw.frame(raw.PING, ("x"):rep(125)))
        assert_echoed(raw.PONG, ("x"):rep(125))
      end)

      it("in order, many at once and between messages", function()
        local frames <const> = {}
        for i = 1, 200 do frames[i] = raw.frame(raw.PING, "ping " .. i) .. raw.frame(raw.TEXT, "text " .. i) end
        conn:write(table.concat(frames))
        for i = 1, 200 do
          assert_echoed(raw.PONG, "ping " .. i)
          assert_echoed(raw.TEXT, "text " .. i)
        end
      end)

      it("but not beyond what a client that takes nothing may have queued", function()
        local socket
        local slow <close> = raw.serve(function(own)
          socket = own
          own:receive()
        end)
        local client <close> = raw.open(slow, nil, { receive_buffer = 5000 })
        local ping <const> = raw.frame(raw.PING, ("x"):rep(125), { mask = "\0\0\0\0" })
        local pings <const> = ping:rep(helper.is_tiny and 100 or 1000)
        client.high_water = 1
        for _ = 1, helper.is_tiny and 20 or 60 do assert(client:write(pings)) end
        helper.eventually(function() return client.queued == 0 end)
        assert.is_true(socket.queued < 300 * 1024)
        client:abort()
      end)

      it("and takes pongs that nobody asked for", function()
        conn:write(raw.frame(raw.PONG, ""), raw.frame(raw.PONG, "unasked"), raw.frame(raw.PONG, ("x"):rep(125)),
          raw.frame(raw.PING, "asked"))
        assert_echoed(raw.PONG, "asked")
      end)
    end)

    describe("takes fragments", function()
      it("of one message, whatever their sizes", function()
        local size <const> = helper.is_tiny and 300 or 65536
        for _, piece in ipairs { 1, 7, 64, 125, 126, 1000, size - 1, size } do
          local length <const> = piece < 64 and 300 or size
          conn:write(raw.fragments(raw.BINARY, text_of[length], piece))
          assert_echoed(raw.BINARY, text_of[length])
        end
      end)

      it("that are empty", function()
        conn:write(raw.frame(raw.TEXT, "", { more = true }), raw.frame(0, "", { more = true }), raw.frame(0, ""))
        assert_echoed(raw.TEXT, "")
        conn:write(raw.frame(raw.TEXT, "", { more = true }), raw.frame(0, "middle", { more = true }), raw.frame(0, ""))
        assert_echoed(raw.TEXT, "middle")
      end)

      it("that come byte by byte", function()
        raw.write_slowly(conn, raw.fragments(raw.TEXT, "fragments, byte by byte", 4))
        assert_echoed(raw.TEXT, "fragments, byte by byte")
      end)

      it("with control frames between them, which it answers at once", function()
        conn:write(raw.frame(raw.TEXT, "one", { more = true }), raw.frame(raw.PING, "first"))
        assert_echoed(raw.PONG, "first")
        conn:write(raw.frame(0, "two", { more = true }), raw.frame(raw.PONG, "unasked"), raw.frame(raw.PING, "second"))
        assert_echoed(raw.PONG, "second")
        conn:write(raw.frame(0, "three"), raw.frame(raw.BINARY, "next"))
        assert_echoed(raw.TEXT, "onetwothree")
        assert_echoed(raw.BINARY, "next")
      end)

      it("until a close comes between them", function()
        conn:write(raw.frame(raw.TEXT, "one", { more = true }), raw.close_frame(1000))
        assert.equal(1000, (raw.read_close(conn)))
        helper.eventually(function() return ended end)
        assert.same({ "closed", 1000 }, { ended[1], ended[2] })
      end)
    end)

    describe("fails a client", function()
      it("that sends a control frame of more than 125 bytes", function()
        assert_protocol_error("control frame longer than 125", raw.frame(raw.PING, ("x"):rep(126)))
      end)

      for opcode, name in pairs { [raw.PING] = "ping", [raw.PONG] = "pong", [raw.CLOSE] = "close" } do
        it("that sends a " .. name .. " in fragments", function()
          assert_protocol_error("control frame in fragments", raw.frame(opcode, "", { more = true }))
        end)

        it("that sends a " .. name .. " with a long length of few bytes", function()
          assert_protocol_error("control frame longer than 125", raw.frame(opcode, "", { size = 2 }))
        end)

        it("that sends a compressed " .. name, function()
          assert_protocol_error("compressed control frame", raw.frame(opcode, "", { rsv = 4 }))
        end)
      end

      for rsv = 1, 7 do
        it("that sets reserved bits " .. rsv, function()
          local pattern <const> = rsv == 4 and "compressed message, which was not agreed on" or "reserved bit"
          assert_protocol_error(pattern, raw.frame(raw.TEXT, "hello", { rsv = rsv }))
        end)
      end

      for _, opcode in ipairs { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 } do
        it("that sends opcode " .. opcode, function()
          assert_protocol_error("reserved opcode", raw.frame(opcode, opcode % 2 == 0 and "payload" or ""))
        end)
      end

      it("that does not mask, at the frame's start", function()
        assert_protocol_error("client must mask", raw.frame(raw.TEXT, "hello", { mask = false }))
      end)

      it("that does not mask a control frame", function()
        assert_protocol_error("client must mask", raw.frame(raw.PING, "", { mask = false }))
      end)

      it("that masks the first frame, but not the continuation", function()
        assert_protocol_error("client must mask", raw.frame(raw.TEXT, "a", { more = true }),
          raw.frame(0, "b", { mask = false }))
      end)

      it("that writes a length in more bytes than it needs", function()
        assert_protocol_error("more bytes than it needs", raw.frame(raw.TEXT, text_of[125], { size = 2 }))
        conn = raw.open(server)
        assert_protocol_error("more bytes than it needs", raw.frame(raw.TEXT, text_of[65535], { size = 8 }))
      end)

      it("that says a length beyond 2^63", function()
        assert_protocol_error("longer than 2%^63", raw.frame(raw.BINARY, "", { size = 8, length = math.mininteger }))
      end)

      it("that continues no message", function()
        assert_protocol_error("continuation of no message", raw.frame(0, "x"))
        conn = raw.open(server)
        assert_protocol_error("continuation of no message", raw.frame(0, "x", { more = true }))
      end)

      it("that continues a message which has ended", function()
        conn:write(raw.frame(raw.TEXT, "one", { more = true }), raw.frame(0, "two"))
        assert_echoed(raw.TEXT, "onetwo")
        assert_protocol_error("continuation of no message", raw.frame(0, "three"))
      end)

      it("that begins a message within another", function()
        for _, more in ipairs { false, true } do
          assert_protocol_error("new message within another", raw.frame(raw.TEXT, "one", { more = true }),
            raw.frame(raw.BINARY, "two", { more = more }))
          conn = raw.open(server)
        end
      end)

      it("however small the pieces are in which its frame comes", function()
        raw.write_slowly(conn, raw.frame(raw.TEXT, "one", { more = true }))
        raw.write_slowly(conn, raw.frame(3, "x"):sub(1, 2))
        assert_protocol_error "reserved opcode"
      end)

      it("and answers what came before", function()
        conn:write(raw.frame(raw.TEXT, "good"), raw.frame(raw.PING, "good"), raw.frame(raw.TEXT, "bad", { rsv = 1 }))
        local code <const>, _, before <const> = raw.read_close(conn)
        assert.same({ 1002, "good", "good" }, { code, before[1].payload, before[2].payload })
      end)

      it("that goes on sending, without a reset that would destroy the close frame on its way", function()
        conn:write(raw.frame(3, ""))
        for _ = 1, helper.is_tiny and 5 or 50 do conn:write(text_of[65536]) end
        assert.equal(1002, (raw.read_close(conn)))
      end)
    end)
  end)
end)
