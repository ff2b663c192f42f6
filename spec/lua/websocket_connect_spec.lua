--- Connecting a WebSocket to servers that are right and others that are not, and what cannot be asked for.

local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local raw <const> = require "spec.fixtures.websocket"
local task <const> = require "perigee.task"
local websocket <const> = require "perigee.websocket"

local DEFLATE <const> = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

local assert_misuse <const>, assert_failure <const> = helper.assert_misuse, helper.assert_failure

describe("a WebSocket's client", function()
  helper.leaves_nothing(before_each, after_each)

  describe("refuses a server that", function()
    local faults <const> = {
      ["answers another status"] = { { first = "HTTP/1.1 404 Not Found" }, "refused", "answers 404" },
      ["wants it elsewhere"] = { { first = "HTTP/1.1 301 Moved", Location = "ws://x" }, "refused", "answers 301" },
      ["answers 200"] = { { first = "HTTP/1.1 200 OK" }, "refused", "answers 200" },
      ["speaks HTTP/1.0"] = { { first = "HTTP/1.0 101 Switching Protocols" }, "protocol", "no HTTP/1.1" },
      ["speaks something else"] = { { first = "220 mail.example.org ESMTP" }, "protocol", "no HTTP/1.1" },
      ["computes the key wrongly"] = { { ["Sec-WebSocket-Accept"] = raw.accept_of "x" }, "protocol", "handshake" },
      ["returns the key"] = { { ["Sec-WebSocket-Accept"] = raw.KEY }, "protocol", "handshake" },
      ["does not say Accept"] = { { ["Sec-WebSocket-Accept"] = false }, "protocol", "handshake" },
      ["does not say Upgrade"] = { { Upgrade = false }, "protocol", "handshake" },
      ["upgrades to something else"] = { { Upgrade = "h2c" }, "protocol", "handshake" },
      ["does not say Connection"] = { { Connection = false }, "protocol", "handshake" },
      ["says Connection: close"] = { { Connection = "close" }, "protocol", "handshake" },
      ["says something like Upgrade"] = { { Connection = "no-upgrade" }, "protocol", "handshake" },
      ["has an extension that was not offered"] =
        { { ["Sec-WebSocket-Extensions"] = "x-webkit-deflate-frame" }, "protocol", "extensions were not offered" },
      ["has one more than was offered"] =
        { { ["Sec-WebSocket-Extensions"] = DEFLATE .. ", x" }, "protocol", "extensions were not offered" },
      ["has one more than was offered in another field"] =
        { { ["Sec-WebSocket-Extensions"] = "x", ["sec-websocket-extensions"] = DEFLATE }, "protocol", "extensions" },
      ["keeps a context that we do not"] =
        { { ["Sec-WebSocket-Extensions"] = "permessage-deflate" }, "protocol", "extensions" },
      ["has a parameter of its own"] =
        { { ["Sec-WebSocket-Extensions"] = DEFLATE .. "; fast" }, "protocol", "extensions" },
      ["wants a window that zlib does not have"] =
        { { ["Sec-WebSocket-Extensions"] = DEFLATE .. "; client_max_window_bits=8" }, "protocol", "extensions" },
      ["chooses a protocol when none was offered"] =
        { { ["Sec-WebSocket-Protocol"] = "chat" }, "protocol", "protocol that was not offered" },
      ["sends a bad header"] = { { ["bad name"] = "x" }, "protocol", "bad header" },
    }
    for name, fault in pairs(faults) do
      it(name, function()
        local server <close> = raw.raw_server(fault[1])
        assert_failure(fault[2], "^open a WebSocket.*" .. fault[3], websocket.connect(raw.url_of(server)))
      end)
    end

    it("has compression when none was offered", function()
      local server <close> = raw.raw_server { ["Sec-WebSocket-Extensions"] = DEFLATE }
      assert_failure("protocol", "extensions were not offered",
        websocket.connect(raw.url_of(server), { compress = false }))
    end)

    it("chooses another protocol than those that were offered", function()
      local server <close> = raw.raw_server { ["Sec-WebSocket-Protocol"] = "v3" }
      assert_failure("protocol", "protocol that was not offered",
        websocket.connect(raw.url_of(server), { protocols = { "v1", "v2" } }))
    end)

    it("closes instead of an answer, or within it", function()
      for _, answer in ipairs { "", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso" } do
        local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
          conn:read_until "\r\n\r\n"
          conn:write(answer)
        end))
        assert_failure("closed", "", websocket.connect(raw.url_of(server)))
      end
    end)

    it("sends endless headers", function()
      for _, piece in ipairs { "X: y\r\n", ("x"):rep(100) } do
        local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
          conn:write "HTTP/1.1 101 Switching Protocols\r\n"
          while conn:write(piece:rep(10)) do end
        end))
        local _ <const>, message <const>, code <const> = websocket.connect(raw.url_of(server))
        assert.is_true(code == "limit" or code == "protocol", message)
      end
    end)

    it("never answers, or a little now and then, when its time is over", function()
      for _, piece in ipairs { "", "X: y\r\n" } do
        local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
          conn:write "HTTP/1.1 101 Switching Protocols\r\n"
          if piece == "" then conn:read_all() end
          while conn:write(piece) and piece ~= "" do task.sleep(0.01) end
        end))
        local before <const> = task.now()
        assert_failure("timeout", "", websocket.connect(raw.url_of(server), { timeout = 0.1 }))
        assert.is_true(task.now() - before < 5)
      end
    end)

    it("is not there", function()
      local server <const> = raw.serve()
      local url <const> = raw.url_of(server)
      server:close()
      assert_failure("refused", "", websocket.connect(url))
    end)
  end)

  it("closes its connection at once when it is cancelled or past a deadline within the handshake", function()
    local accepted <const>, closed <const> = task.channel(2), task.channel(2)
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      accepted:send(true)
      conn:read_all()
      closed:send(true)
    end))
    local _ <close> = setmetatable({}, { __close = function() collectgarbage "restart" end })
    collectgarbage "stop"
    assert_failure("timeout", "", task.deadline(0.05, websocket.connect, raw.url_of(server)))
    assert.is_true(accepted:receive())
    assert.is_true(task.deadline(5, closed.receive, closed))
    local t <const> = task.spawn(websocket.connect, raw.url_of(server))
    assert.is_true(accepted:receive())
    t:cancel()
    t:join()
    assert.is_true(task.deadline(5, closed.receive, closed))
  end)

  it("raises for what cannot be, and connects nowhere", function()
    local connections = 0
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function() connections = connections + 1 end))
    local url <const> = raw.url_of(server)
    for _, bad in ipairs { "", "ws://", "http://x/", "wss", "127.0.0.1", "ws:///path", "ws://x/a b", "ws://x/\r\nX: y",
      "ws://x/\u{e9}" } do
      assert_misuse("url", websocket.connect, bad)
    end
    assert_misuse("url", websocket.connect)
    assert_misuse("url", websocket.connect, 42)
    for name, values in pairs {
      limit = { 0, -1, "x", 1.5 }, ping = { 0, -1, "x" }, compress = { 1, "no" }, timeout = { 0, -1, "x" },
      headers = { 1, { X = "a\r\nY: b" }, { ["a b"] = "c" }, { [""] = "c" }, { X = {} }, { "x" } },
      protocols = { "v1", { "a b" }, { "a,b" }, { "a\r\nX: y" }, { "" }, { 1 }, {} }, protocol = { "v1" },
    } do
      for _, value in ipairs(values) do
        local ok <const>, message <const> = pcall(websocket.connect, url, { [name] = value })
        assert.same({ name, value, false }, { name, value, ok })
        assert.matches(name:sub(1, 6), message)
        assert.matches("^spec/lua/websocket_connect_spec.lua:%d+: ", (select(2, pcall(function()
          local socket <const> = websocket.connect(url, { [name] = value })
          return socket
        end))))
      end
    end
    assert_misuse("options", websocket.connect, url, "x")
    assert.equal(0, connections)
  end)
end)
