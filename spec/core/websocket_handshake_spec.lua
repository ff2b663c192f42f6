--- The server's side of the opening handshake (RFC 6455 4.2): who gets through, and what the others are told.

local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local raw <const> = require "spec.fixtures.websocket"

describe("a WebSocket's handshake", function()
  helper.leaves_nothing(before_each, after_each)

  describe("", function()
    local server, handled
    before_each(function()
      handled = 0
      local app <const> = http.app()
      local function echo(socket)
        handled = handled + 1
        raw.echo(socket)
      end
      app:websocket("/", echo)
      app:websocket("/chat/{room}", function(socket, request)
        handled = handled + 1
        socket:send(("%s %s %s"):format(request.params.room, request.query.name, request:header "x-more"))
        raw.echo(socket)
      end)
      app:websocket("/protocols", function(socket, request)
        socket:send(request.protocol or "none")
      end, { protocols = { "v2.chat", "v1.chat" } })
      app:websocket("/listed", echo, { origins = { "https://example.org", "http://localhost:3000" } })
      app:websocket("/anyone", echo, { origins = "*" })
      app:get("/plain", function() return "plain" end)
      server = assert(http.serve("http://127.0.0.1:0", app))
    end)
    after_each(function() server:close() end)

    --- Sends a request; the answer's status, its fields, and the connection.
    local function ask(...)
      local conn <const> = raw.connect(server)
      conn.timeout = 20
      conn:write(raw.request(...))
      local status <const>, fields <const> = raw.read_answer(conn)
      return status, fields, conn
    end

    local function status_of(...)
      local status <const>, fields <const>, conn <const> = ask(...)
      local body <const> = status ~= 101 and assert(conn:read(math.tointeger(fields["content-length"])))
      conn:close()
      return status, fields, body
    end

    it("is the one of the standard", function()
      local status <const>, fields <const>, conn <close> = ask()
      assert.same({ 101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "websocket", "upgrade" },
        { status, fields["sec-websocket-accept"], fields.upgrade, fields.connection:lower() })
      assert.same({}, { fields["content-length"], fields["transfer-encoding"], fields["sec-websocket-protocol"],
        fields["sec-websocket-extensions"] })
      conn:write(raw.frame(raw.TEXT, "hello"))
      assert.equal("hello", raw.read_frame(conn).payload)
    end)

    it("comes byte by byte", function()
      local conn <close> = raw.connect(server)
      raw.write_slowly(conn, raw.request() .. raw.frame(raw.TEXT, "hello"))
      assert.equal(101, (raw.read_answer(conn)))
      assert.equal("hello", raw.read_frame(conn).payload)
    end)

    it("comes together with the first frames", function()
      local conn <close> = raw.connect(server)
      conn:write(raw.request(), raw.frame(raw.TEXT, "one"), raw.frame(raw.PING, "two"), raw.close_frame(3000))
      assert.equal(101, (raw.read_answer(conn)))
      local code <const>, _, before <const> = raw.read_close(conn)
      assert.same({ 3000, "one", "two" }, { code, before[1].payload, before[2].payload })
    end)

    it("comes behind other requests on the same connection", function()
      local conn <close> = raw.connect(server)
      local get <const> = "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"
      conn:write(get, get, raw.request(), raw.frame(raw.TEXT, "hello"))
      for _ = 1, 2 do
        assert.equal(200, (raw.read_answer(conn)))
        assert.equal("plain", (conn:read(5)))
      end
      assert.equal(101, (raw.read_answer(conn)))
      assert.equal("hello", raw.read_frame(conn).payload)
    end)

    it("gives the handler the request", function()
      local _ <const>, _ <const>, conn <close> = ask({ ["X-More"] = "more" },
        "GET /chat/caf%C3%A9?name=Ann%20B HTTP/1.1")
      assert.equal("caf\u{e9} Ann B more", raw.read_frame(conn).payload)
    end)

    it("takes names and lists as HTTP has them", function()
      for _, fields in ipairs {
        { Upgrade = "WebSocket" }, { Upgrade = "WEBSOCKET" }, { Upgrade = "h2c, websocket" },
        { Connection = "keep-alive, Upgrade" }, { Connection = "UPGRADE" }, { Connection = "keep-alive,\tupgrade ,x" },
        { Upgrade = false, uPGRADE = "websocket" }, { ["Content-Length"] = "0" },
        { ["Sec-WebSocket-Key"] = "AAAAAAAAAAAAAAAAAAAAAA==" }, { ["Sec-WebSocket-Key"] = "+/+/+/+/+/+/+/+/+/+/+w==" },
      } do
        local status <const>, answer <const> = status_of(fields)
        assert.equal(101, status)
        assert.equal(raw.accept_of(fields["Sec-WebSocket-Key"] or raw.KEY), answer["sec-websocket-accept"])
      end
    end)

    it("has 426 for those who do not ask for one, or for another version", function()
      for i, fields in ipairs {
        { Upgrade = false, Connection = false }, { Upgrade = false }, { Upgrade = "h2c" }, { Upgrade = "websockets" },
        { Connection = "keep-alive" }, { Connection = false }, { Connection = "upgraded" },
        { ["Sec-WebSocket-Version"] = false }, { ["Sec-WebSocket-Version"] = "8" },
        { ["Sec-WebSocket-Version"] = "14" }, { ["Sec-WebSocket-Version"] = "013" },
        { ["Sec-WebSocket-Version"] = "" },
      } do
        local status <const>, answer <const> = status_of(fields)
        assert.same({ i, 426, "13", "websocket" },
          { i, status, answer["sec-websocket-version"], answer.upgrade })
        assert.matches("upgrade", answer.connection:lower()) -- RFC 9110 7.8: the sender of Upgrade has to
      end
      assert.equal(0, handled)
    end)

    it("does not exist in HTTP/1.0", function()
      assert.equal(426, (status_of(nil, "GET / HTTP/1.0")))
      assert.equal(403, (status_of({ Host = false, Origin = "http://example.org" }, "GET / HTTP/1.0")))
      assert.equal(0, handled)
    end)

    it("refuses bad keys", function()
      for i, key in ipairs { false, "", "x", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ", ("A"):rep(24),
        "dGhlIHNhbXBsZSBub25jZQ=A", "dGhlIHNhbXBsZSBub25jZSE=",
        "dGhlIHNhbXBsZSBub25jZQ== x", "AAAAAAAAAAAAAAAAAAAAAAAAAA==", "!!!!!!!!!!!!!!!!!!!!!!==",
        "dGhlIHNhbXBs SBub25jZQ==",
        raw.KEY .. ", " .. raw.KEY, ("A"):rep(5000),
        raw.KEY .. "\r\nSec-WebSocket-Key: " .. raw.KEY } do
        assert.same({ i, 400 }, { i, (status_of { ["Sec-WebSocket-Key"] = key }) })
      end
      assert.equal(0, handled)
    end)

    it("has no body", function()
      assert.equal(400, (status_of { ["Content-Length"] = "5" }))
      assert.equal(400, (status_of { ["Transfer-Encoding"] = "chunked" }))
      assert.equal(0, handled)
    end)

    it("begins with GET", function()
      for _, method in ipairs { "POST", "PUT", "DELETE", "PATCH" } do
        local status <const>, answer <const> = status_of(nil, method .. " / HTTP/1.1")
        assert.same({ method, 405, "GET, HEAD, OPTIONS" }, { method, status, answer.allow })
      end
      local status <const>, _, conn <close> = ask(nil, "HEAD / HTTP/1.1")
      assert.is_true(status >= 400)
      conn:write "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"
      assert.equal(200, (raw.read_answer(conn)))
      assert.equal(0, handled)
    end)

    it("leaves the connection to HTTP when it is refused", function()
      for _, fields in ipairs { { ["Sec-WebSocket-Version"] = "8" }, { ["Sec-WebSocket-Key"] = "x" } } do
        local _, answer <const>, conn <close> = ask(fields)
        conn:read(math.tointeger(answer["content-length"]))
        conn:write(raw.request())
        assert.equal(101, (raw.read_answer(conn)))
        conn:write(raw.frame(raw.TEXT, "hello"))
        assert.equal("hello", raw.read_frame(conn).payload)
      end
    end)

    it("is not there elsewhere", function()
      assert.equal(404, (status_of(nil, "GET /nowhere HTTP/1.1")))
      assert.equal(200, (status_of(nil, "GET /plain HTTP/1.1")))
      assert.equal(0, handled)
    end)

    it("lets the pages of its own host in, and none of another", function()
      local host <const> = tostring(server.address):match "//(.*)$"
      for origin, expected in pairs {
        ["http://" .. host] = 101, ["https://" .. host] = 101, ["HTTP://" .. host] = 101,
        ["http://evil.example"] = 403, ["http://" .. host .. ".evil.example"] = 403, ["http://127.0.0.1"] = 403,
        ["http://127.0.0.1:1"] = 403, ["http://evil@" .. host] = 403, ["http://" .. host .. "/"] = 403,
        ["null"] = 403, [host] = 403, ["file://"] = 403, ["http://evil.example, http://" .. host] = 403,
      } do
        local status <const> = status_of { Host = host, Origin = origin }
        assert.same({ origin, expected }, { origin, status })
      end
      assert.equal(101, (status_of { Host = "Example.ORG", Origin = "http://example.org" }))
      assert.equal(403, (status_of { Host = "example.org", Origin = "http://example.org:8080" }))
      assert.equal(403, (status_of { Host = host, Origin = "http://" .. host .. "\r\nOrigin: http://evil.example" }))
    end)

    it("lets in the pages that are listed, and clients that are no browsers", function()
      for origin, expected in pairs {
        ["https://example.org"] = 101, ["http://localhost:3000"] = 101, ["http://example.org"] = 403,
        ["https://example.org:444"] = 403, ["https://example.org.evil"] = 403, ["null"] = 403, ["*"] = 403,
        ["http://127.0.0.1"] = 403,
      } do
        assert.same({ origin, expected }, { origin, (status_of({ Origin = origin }, "GET /listed HTTP/1.1")) })
        assert.equal(101, (status_of({ Origin = origin }, "GET /anyone HTTP/1.1")))
      end
      assert.equal(101, (status_of(nil, "GET /listed HTTP/1.1")))
    end)

    it("tells a refused page why, and runs no handler", function()
      local status <const>, _, body <const> = status_of { Origin = "http://evil.example" }
      assert.equal(403, status)
      assert.matches("origin", body)
      assert.equal(0, handled)
    end)

    it("chooses the first of the client's protocols that the server has", function()
      for offered, chosen in pairs {
        ["v1.chat"] = "v1.chat", ["v1.chat, v2.chat"] = "v1.chat", ["v2.chat,v1.chat"] = "v2.chat",
        ["other ,\tv2.chat"] = "v2.chat", ["other\r\nSec-WebSocket-Protocol: v2.chat"] = "v2.chat",
        ["other"] = "none", ["V1.CHAT"] = "none", ["v1.chat2, v1"] = "none",
      } do
        local status <const>, answer <const>, conn <close> =
          ask({ ["Sec-WebSocket-Protocol"] = offered }, "GET /protocols HTTP/1.1")
        local expected <const> = chosen ~= "none" and chosen or nil
        assert.same({ offered, 101, expected }, { offered, status, answer["sec-websocket-protocol"] })
        assert.equal(chosen, raw.read_frame(conn).payload)
      end
      local _, answer <const>, conn <close> = ask(nil, "GET /protocols HTTP/1.1")
      assert.is_nil(answer["sec-websocket-protocol"])
      assert.equal("none", raw.read_frame(conn).payload)
    end)

    it("says nothing of protocols where there are none", function()
      local status <const>, answer <const> = status_of { ["Sec-WebSocket-Protocol"] = "v1.chat" }
      assert.equal(101, status)
      assert.is_nil(answer["sec-websocket-protocol"])
    end)
  end)

  it("goes through middleware, which may refuse and add to the answer", function()
    local app <const> = http.app()
    app:use(function(request, next)
      if request.query.token ~= "secret" then return http.error(401, "no") end
      return next(request)
    end)
    app:websocket("/", raw.echo)
    local server <close> = assert(http.serve("http://127.0.0.1:0", app))
    local refused <close> = raw.connect(server)
    refused:write(raw.request())
    assert.equal(401, (raw.read_answer(refused)))
    local conn <close> = raw.connect(server)
    conn:write(raw.request(nil, "GET /?token=secret HTTP/1.1"))
    assert.equal(101, (raw.read_answer(conn)))
    conn:write(raw.frame(raw.TEXT, "hello"))
    assert.equal("hello", raw.read_frame(conn).payload)
  end)
end)
