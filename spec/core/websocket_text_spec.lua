--- Texts are UTF-8, wherever their bytes are cut: section 6 of the Autobahn suite.

local helper <const> = require "spec.helper"
local raw <const> = require "spec.fixtures.websocket"

local valid <const> = {
  ["ASCII"] = "hello", ["NUL"] = "a\0b", ["two bytes"] = "\xc2\x80 \xdf\xbf", ["Greek"] = "\u{3ba}\u{1f79}\u{3c3}",
  ["three bytes"] = "\u{800} \u{ffff}", ["what borders on the surrogates"] = "\u{d7ff}\u{e000}",
  ["noncharacters"] = "\u{fffe}\u{fdd0}\u{1ffff}", ["four bytes"] = "\u{10000} \u{1f600} \u{10ffff}",
  ["a byte order mark"] = "\u{feff}x", ["a replacement character"] = "\u{fffd}",
}

local invalid <const> = {
  ["a continuation byte alone"] = "\x80", ["more than one of them"] = "a\xbf\xbf",
  ["a first byte alone"] = "\xc3", ["two of three bytes"] = "\xe2\x82", ["three of four"] = "\xf0\x9f\x98",
  ["a first byte before ASCII"] = "\xe2\x82a", ["a first byte before a first byte"] = "\xc3\xc3\xa4",
  ["an overlong slash in two bytes"] = "\xc0\xaf", ["in three"] = "\xe0\x80\xaf", ["in four"] = "\xf0\x80\x80\xaf",
  ["an overlong NUL"] = "\xc0\x80", ["the longest overlong of two bytes"] = "\xc1\xbf",
  ["of three"] = "\xe0\x9f\xbf", ["of four"] = "\xf0\x8f\xbf\xbf", ["the lowest surrogate"] = "\xed\xa0\x80",
  ["the highest surrogate"] = "\xed\xbf\xbf", ["a pair of surrogates"] = "\xed\xa0\xbd\xed\xb8\x80",
  ["one beyond U+10FFFF"] = "\xf4\x90\x80\x80", ["a first byte F5"] = "\xf5\x80\x80\x80",
  ["five bytes"] = "\xf8\x88\x80\x80\x80", ["six bytes"] = "\xfc\x84\x80\x80\x80\x80", ["FE"] = "\xfe", ["FF"] = "\xff",
  ["a wrong byte behind much that is right"] = ("\u{20ac}"):rep(500) .. "\xff",
}

describe("a WebSocket's server", function()
  helper.leaves_nothing(before_each, after_each)

  describe("", function()
    local server, conn, received
    before_each(function()
      received = nil
      server = raw.serve(function(socket)
        repeat
          received = table.pack(socket:receive())
          if received[1] then socket[received[2] and "send_binary" or "send"](socket, received[1]) end
        until not received[1]
        received.close_code = socket.close_code
      end)
      conn = raw.open(server)
    end)
    after_each(function()
      conn:close()
      server:close()
    end)

    local function assert_echoed(text)
      local frame <const> = assert(raw.read_frame(conn))
      assert.same({ raw.TEXT, text }, { frame.opcode, frame.payload })
    end

    local function assert_refused()
      local code <const>, reason <const> = raw.read_close(conn)
      assert.equal(1007, code)
      assert.matches("UTF%-8", reason)
      helper.eventually(function() return received.close_code end)
      assert.same({ nil, "protocol", 1007 }, { received[1], received[3], received.close_code })
    end

    for name, text in pairs(valid) do
      it("takes " .. name .. ", also byte by byte and cut anywhere", function()
        conn:write(raw.frame(raw.TEXT, text))
        assert_echoed(text)
        raw.write_slowly(conn, raw.frame(raw.TEXT, text))
        assert_echoed(text)
        for cut = 1, #text do
          conn:write(raw.frame(raw.TEXT, text:sub(1, cut), { more = true }), raw.frame(0, text:sub(cut + 1)))
          assert_echoed(text)
        end
        conn:write(raw.fragments(raw.TEXT, text, 1))
        assert_echoed(text)
      end)
    end

    for name, text in pairs(invalid) do
      it("refuses " .. name, function()
        conn:write(raw.frame(raw.TEXT, text))
        assert_refused()
      end)

      it("refuses " .. name .. " amid a text", function()
        conn:write(raw.frame(raw.TEXT, "before" .. text .. "behind"))
        assert_refused()
      end)

      it("refuses " .. name .. " in fragments of a byte", function()
        conn:write(raw.fragments(raw.TEXT, text, 1))
        assert_refused()
      end)
    end

    it("refuses a character whose end does not come with the message's end", function()
      conn:write(raw.frame(raw.TEXT, "\xe2\x82", { more = true }), raw.frame(raw.PING, "\xac"), raw.frame(0, ""))
      assert.equal(raw.PONG, raw.read_frame(conn).opcode)
      assert_refused()
    end)

    it("does not carry a character over to the next message", function()
      conn:write(raw.frame(raw.BINARY, "\xe2\x82"), raw.frame(raw.TEXT, "\xac"))
      assert.equal(raw.BINARY, raw.read_frame(conn).opcode)
      assert_refused()
    end)

    it("takes any bytes in binary messages, whole and in fragments", function()
      for name, bytes in pairs(invalid) do
        local socket_bytes
        local binary <close> = raw.serve(function(socket)
          socket_bytes = { socket:receive() }
          socket_bytes[3], socket_bytes[4] = socket:receive()
        end)
        local client <close> = raw.open(binary)
        client:write(raw.frame(raw.BINARY, bytes), raw.fragments(raw.BINARY, bytes, 1))
        assert.equal(1000, (raw.read_close(client)))
        assert.same({ name, bytes, true, bytes, true }, { name, table.unpack(socket_bytes) })
      end
    end)

    it("sends no text that is not UTF-8, and goes on", function()
      for _, bytes in pairs(invalid) do
        local failure
        local other <close> = raw.serve(function(socket)
          failure = { pcall(socket.send, socket, bytes) }
          socket:send_binary(bytes)
        end)
        local client <close> = raw.open(other)
        local frame <const> = raw.read_frame(client)
        assert.same({ false, raw.BINARY, bytes }, { failure[1], frame.opcode, frame.payload })
        assert.matches("a text must be UTF%-8", failure[2])
      end
    end)
  end)
end)
