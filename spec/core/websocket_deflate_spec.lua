--- permessage-deflate (RFC 7692): sections 12 and 13 of the Autobahn suite. What others make of what we compress is in
--- spec/lua/websocket_peers_spec.lua.

local helper <const> = require "spec.helper"
local raw <const> = require "spec.fixtures.websocket"

local NAME <const> = "permessage-deflate"
local NO_CONTEXT <const> = NAME .. "; server_no_context_takeover; client_no_context_takeover"
local RSV1 <const> = { rsv = 4 }

--- What is offered, and what the server says to it; false: nothing.
local offers <const> = {
  [NAME] = NO_CONTEXT,
  [" " .. NAME .. " "] = NO_CONTEXT,
  [NAME .. "; client_max_window_bits"] = NO_CONTEXT,
  [NAME .. ";client_max_window_bits ; server_no_context_takeover"] = NO_CONTEXT,
  [NAME .. "; client_no_context_takeover"] = NO_CONTEXT,
  [NAME .. "; client_max_window_bits=15"] = NO_CONTEXT,
  [NAME .. "; server_max_window_bits=10"] = NO_CONTEXT .. "; server_max_window_bits=10",
  [NAME .. '; server_max_window_bits="10"'] = NO_CONTEXT .. "; server_max_window_bits=10",
  [NAME .. "; client_max_window_bits=9"] = NO_CONTEXT .. "; client_max_window_bits=9",
  [NAME .. "; server_max_window_bits=9; client_max_window_bits=12"] =
    NO_CONTEXT .. "; server_max_window_bits=9; client_max_window_bits=12",
  ["x-webkit-deflate-frame, " .. NAME] = NO_CONTEXT,
  ["x; y=1; z=\"a\", " .. NAME .. "; unknown, " .. NAME .. "; server_max_window_bits=11"] =
    NO_CONTEXT .. "; server_max_window_bits=11",
  ["," .. NAME] = NO_CONTEXT,
  ["x-webkit-deflate-frame"] = false, ["permessage-deflated"] = false, ["permessage"] = false, [""] = false,
  [NAME .. "; unknown"] = false, [NAME .. "; unknown=1"] = false,
  [NAME .. "; server_max_window_bits"] = false, [NAME .. "; server_max_window_bits=8"] = false,
  [NAME .. "; server_max_window_bits=7"] = false, [NAME .. "; server_max_window_bits=16"] = false,
  [NAME .. "; server_max_window_bits=010"] = false, [NAME .. "; server_max_window_bits=-9"] = false,
  [NAME .. "; server_max_window_bits=10; server_max_window_bits=10"] = false,
  [NAME .. "; client_max_window_bits=7"] = false, [NAME .. "; client_max_window_bits=1000000000000"] = false,
  [NAME .. "; server_no_context_takeover=1"] = false,
  [NAME .. "; client_no_context_takeover; client_no_context_takeover"] = false,
  [NAME .. ";"] = false, [NAME .. "; ="] = false, [NAME .. '; server_max_window_bits="10'] = false,
  ["\xff; \x80"] = false, [(NAME .. "; unknown, "):rep(300)] = false, [(";"):rep(5000)] = false,
}

describe("permessage-deflate", function()
  helper.leaves_nothing(before_each, after_each)

  it("is agreed on as the client can", function()
    local server <close> = raw.serve()
    for offer, expected in pairs(offers) do
      local conn <close>, answer <const> = raw.open(server, { ["Sec-WebSocket-Extensions"] = offer })
      assert.same({ offer, expected }, { offer, answer["sec-websocket-extensions"] or false })
      conn:write(raw.frame(raw.TEXT, "works"))
      assert.equal("works", raw.read_frame(conn).payload)
    end
  end)

  it("is found in the second field of that name", function()
    local server <close> = raw.serve()
    local conn <close>, answer <const> = raw.open(server,
      { ["Sec-WebSocket-Extensions"] = "other\r\nSec-WebSocket-Extensions: " .. NAME })
    assert.equal(NO_CONTEXT, answer["sec-websocket-extensions"])
    conn:write(raw.frame(raw.TEXT, raw.stored "works", RSV1))
    assert.equal("works", raw.read_frame(conn).payload)
  end)

  it("is not there for those who do not offer it, or when the server does not want it", function()
    local server <close> = raw.serve()
    local conn <close>, answer <const> = raw.open(server)
    assert.is_nil(answer["sec-websocket-extensions"])
    conn:write(raw.frame(raw.TEXT, raw.stored "hello", RSV1))
    assert.equal(1002, (raw.read_close(conn)))
    local plain <close> = raw.serve(nil, { compress = false })
    local client <close>, said <const> = raw.open(plain, { ["Sec-WebSocket-Extensions"] = NAME })
    assert.is_nil(said["sec-websocket-extensions"])
    client:write(raw.frame(raw.TEXT, ("x"):rep(5000)))
    assert.equal(0, raw.read_frame(client).rsv)
    client:write(raw.frame(raw.TEXT, raw.stored "hello", RSV1))
    assert.equal(1002, (raw.read_close(client)))
  end)

  describe("", function()
    local server, conn, received
    local LIMIT <const> = 100000
    before_each(function()
      received = nil
      server = raw.serve(function(socket)
        repeat
          received = table.pack(socket:receive())
          if received[1] then socket[received[2] and "send_binary" or "send"](socket, received[1]) end
        until not received[1]
      end, { limit = LIMIT })
      conn = raw.open(server, { ["Sec-WebSocket-Extensions"] = NAME })
    end)
    after_each(function()
      conn:close()
      server:close()
    end)

    local function assert_taken(text, ...)
      conn:write(...)
      local frame <const> = assert(raw.read_frame(conn))
      assert.is_true(received[1] == text)
      assert.is_false(received[2])
      return frame
    end

    local function assert_echoed(text, ...)
      local frame <const> = assert_taken(text, ...)
      assert.same({ 0, text }, { frame.rsv, frame.payload })
    end

    local function assert_refused(expected, code, ...)
      conn:write(...)
      assert.equal(expected, (raw.read_close(conn)))
      helper.eventually(function() return received and not received[1] end)
      assert.equal(code, received[3])
    end

    it("reads the examples of the standard", function()
      assert_echoed("Hello", raw.frame(raw.TEXT, "\xf2\x48\xcd\xc9\xc9\x07\x00", RSV1))
      assert_echoed("Hello", raw.frame(raw.TEXT, "\xf2\x48\xcd", { rsv = 4, more = true }),
        raw.frame(0, "\xc9\xc9\x07\x00"))
      assert_echoed("Hello", raw.frame(raw.TEXT, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", RSV1))
      assert_echoed("Hello", raw.frame(raw.TEXT, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", RSV1))
      assert_echoed("Hello", raw.frame(raw.TEXT, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", RSV1))
    end)

    it("keeps no context from message to message, as it was agreed", function()
      assert_echoed("Hello", raw.frame(raw.TEXT, "\xf2\x48\xcd\xc9\xc9\x07\x00", RSV1))
      assert_refused(1007, "protocol", raw.frame(raw.TEXT, "\xf2\x00\x11\x00\x00", RSV1))
    end)

    it("lets each message be compressed or not", function()
      for i = 1, 5 do
        assert_echoed("plain " .. i, raw.frame(raw.TEXT, "plain " .. i))
        assert_echoed("stored " .. i, raw.frame(raw.TEXT, raw.stored("stored " .. i), RSV1))
      end
    end)

    it("reads messages of no bytes", function()
      assert_echoed("", raw.frame(raw.TEXT, "\0", RSV1))
      assert_echoed("", raw.frame(raw.TEXT, "", RSV1))
      assert_echoed("", raw.frame(raw.TEXT, "", { rsv = 4, more = true }), raw.frame(0, ""))
      assert_echoed("still", raw.frame(raw.TEXT, raw.stored "still", RSV1))
    end)

    for _, size in ipairs { 1, 125, 126, 127, 1000, helper.is_tiny and 2000 or 65530, 65536, LIMIT } do
      it("reads and sends messages of " .. size .. " bytes, whole, in fragments and byte by byte", function()
        local text <const> = ("0123456789"):rep(size // 10 + 1):sub(1, size)
        local payload <const> = raw.stored(text)
        local frame <const> = assert_taken(text, raw.frame(raw.TEXT, payload, RSV1))
        assert.equal(size >= 1024 and 4 or 0, frame.rsv)
        assert.is_true(#frame.payload <= (size >= 1024 and size // 10 or size))
        assert_taken(text, raw.fragments(raw.TEXT, payload, size // 3 + 1, RSV1))
        if size < 1024 then
          assert_taken(text, raw.fragments(raw.TEXT, payload, 1, RSV1))
          received = nil
          raw.write_slowly(conn, raw.frame(raw.TEXT, payload, RSV1))
          assert_taken(text)
        end
      end)
    end

    it("lets control frames come between fragments", function()
      conn:write(raw.frame(raw.TEXT, "\xf2\x48\xcd", { rsv = 4, more = true }), raw.frame(raw.PING, "now"))
      assert.equal(raw.PONG, raw.read_frame(conn).opcode)
      assert_echoed("Hello", raw.frame(0, "", { more = true }), raw.frame(0, "\xc9\xc9\x07\x00"))
    end)

    it("is a matter of the first frame alone", function()
      assert_refused(1002, "protocol", raw.frame(raw.TEXT, "\xf2\x48\xcd", { rsv = 4, more = true }),
        raw.frame(0, "\xc9\xc9\x07\x00", RSV1))
      conn = raw.open(server, { ["Sec-WebSocket-Extensions"] = NAME })
      assert_refused(1002, "protocol", raw.frame(raw.TEXT, "plain", { more = true }), raw.frame(0, "more", RSV1))
    end)

    it("does not compress control frames", function()
      for _, opcode in ipairs { raw.PING, raw.PONG, raw.CLOSE } do
        assert_refused(1002, "protocol", raw.frame(opcode, "", RSV1))
        conn = raw.open(server, { ["Sec-WebSocket-Extensions"] = NAME })
      end
    end)

    it("leaves the other bits reserved", function()
      for _, rsv in ipairs { 1, 2, 3, 5, 6, 7 } do
        assert_refused(1002, "protocol", raw.frame(raw.TEXT, raw.stored "x", { rsv = rsv }))
        conn = raw.open(server, { ["Sec-WebSocket-Extensions"] = NAME })
      end
    end)

    it("refuses what was not compressed so", function()
      for _, payload in ipairs { "Hello", "\xff\xff\xff\xff", "\x06", "\x00\x05\x00\x00\x00Hello\x00", "\xf2\x48\xcd",
        "\x00\x05\x00\xfa\xffHel", "\x1f\x8b\x08\x00", ("\xaa"):rep(1000) } do
        assert_refused(1007, "protocol", raw.frame(raw.BINARY, payload, RSV1))
        conn = raw.open(server, { ["Sec-WebSocket-Extensions"] = NAME })
      end
    end)

    it("refuses a text that is not UTF-8 once it is decompressed", function()
      assert_refused(1007, "protocol", raw.frame(raw.TEXT, raw.stored "a\xffb", RSV1))
    end)

    it("bounds a message by its true size, to the byte", function()
      local payload <const>, size <const> = raw.bomb(LIMIT - 2000)
      assert.is_true(size < LIMIT)
      local fill <const> = raw.stored(("b"):rep(LIMIT - size))
      assert_taken(("a"):rep(size) .. ("b"):rep(LIMIT - size),
        raw.frame(raw.TEXT, payload .. "\0\0\xff\xff" .. fill, RSV1))
      assert_refused(1009, "limit",
        raw.frame(raw.TEXT, payload .. "\0\0\xff\xff" .. raw.stored(("b"):rep(LIMIT - size + 1)), RSV1))
    end)

    it("refuses bombs without holding what they stand for, whole and in fragments", function()
      local payload <const> = raw.bomb(LIMIT * 100)
      assert_refused(1009, "limit", raw.frame(raw.BINARY, payload, RSV1))
      conn = raw.open(server, { ["Sec-WebSocket-Extensions"] = NAME })
      assert_refused(1009, "limit", raw.fragments(raw.BINARY, payload, 50, RSV1))
      assert.equal("limit", received[3])
    end)

    it("is done at the client's end of a message as well as at the server's", function()
      for i = 1, 20 do
        local text <const> = ("line %d of much text\n"):format(i):rep(100)
        local frame <const> = assert_taken(text, raw.frame(raw.TEXT, raw.stored(text), RSV1))
        received = nil
        assert_taken(text, raw.frame(raw.TEXT, frame.payload, RSV1)) -- what it has compressed it reads, too
      end
    end)
  end)

  it("does not let bombs take memory", function()
    local size <const> = helper.is_tiny and 1 << 24 or 1 << 28
    local server <close> = raw.serve(nil, { limit = 1 << 22 })
    local conn <close> = raw.open(server, { ["Sec-WebSocket-Extensions"] = NAME })
    local payload <const> = raw.bomb(size)
    local function resident() return tonumber(io.lines "/proc/self/statm"():match "^%d+ (%d+)") * 4096 end
    local before <const> = resident()
    conn:write(raw.frame(raw.BINARY, payload, { rsv = 4, mask = "\0\0\0\0" }))
    assert.equal(1009, (raw.read_close(conn)))
    assert.is_true(resident() - before < 64 << 20)
  end)
end)
