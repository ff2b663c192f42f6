local helper <const> = require "spec.helper"
local certificates <const> = require "spec.fixtures.certificates"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"
local tls <const> = require "perigee.tls"

local assert_misuse <const>, assert_failure <const> = helper.assert_misuse, helper.assert_failure

--- Bytes in the clear that have been read are known as such; when they are read one by one, they are no TLS.
local function assert_refused(pattern, ...)
  if helper.is_tiny then return assert_failure("tls", pattern .. "the peer does not speak TLS", ...) end
  assert_failure("protocol", pattern .. "bytes came in the clear before the handshake$", ...)
end

local function parked(f, ...)
  local t <const> = task.spawn(f, ...)
  helper.eventually(function() return t.state == "waiting" end)
  return t
end

describe("starting TLS", function()
  helper.leaves_nothing(before_each, after_each)

  describe("", function()
    local client, server, client_context, server_context
    before_each(function()
      client, server = helper.tcp_pair()
      client_context = assert(tls.client(certificates.trusting()))
      server_context = assert(tls.server(certificates.of "localhost"))
    end)
    after_each(function() client:abort() server:abort() end)

    local function start_both()
      local accepting <const> = task.spawn(server.start_tls, server, server_context)
      assert.is_true(assert(client:start_tls(client_context, { server_name = "localhost" })) == client)
      assert.is_true((accepting:join()) == server)
    end

    it("follows a dialogue in the clear", function()
      local serving <const> = task.spawn(function()
        server:write "220 ready\r\n"
        assert.equal("STARTTLS", (server:read_line()))
        server:write "220 go ahead\r\n"
        assert(server:start_tls(server_context))
        assert.equal("EHLO", (server:read_line()))
        server:write("250 hello over ", server.tls.version, "\r\n")
        server:shutdown()
      end)
      assert.equal("220 ready", (client:read_line()))
      client:write "STARTTLS\r\n"
      assert.equal("220 go ahead", (client:read_line()))
      assert.is_nil(client.tls)
      assert(client:start_tls(client_context, { server_name = "localhost" }))
      client:write "EHLO\r\n"
      assert.equal("250 hello over TLSv1.3", (client:read_line()))
      assert.same({ "tls", "tls", "localhost" }, { client.peer.scheme, server.peer.scheme, server.tls.server_name })
      serving:join()
    end)

    it("sends what was written before in the clear first", function()
      local text <const> = ("x"):rep(helper.is_tiny and 3000 or 3000000)
      server.high_water = 1 << 30
      server:write(text)
      local accepting <const> = task.spawn(server.start_tls, server, server_context)
      assert.is_true(client:read(#text) == text)
      assert(client:start_tls(client_context, { server_name = "localhost" }))
      assert.is_true((accepting:join()) == server)
    end)

    it("refuses bytes that a client put in the clear behind its request", function()
      client:write "STARTTLS\r\nMAIL FROM:<injected>\r\n"
      assert.equal("STARTTLS", (server:read_line()))
      assert_refused("^TLS with tcp://127.0.0.1:%d+: ", server:start_tls(server_context))
      assert_failure("closed", "the connection is closed", server:read_line())
      local got <const>, _, code <const> = client:read(1)
      assert.is_nil(got)
      assert.is_true(code == "reset" or code == "closed")
    end)

    it("refuses bytes that a server put in the clear behind its answer", function()
      server:write "220 go ahead\r\n250 injected\r\n"
      assert.equal("220 go ahead", (client:read_line()))
      assert_refused("", client:start_tls(client_context, { server_name = "localhost" }))
    end)

    it("refuses bytes in the clear that come while it begins", function()
      client:write "MAIL FROM:<injected>\r\n"
      assert_failure("tls", "^TLS with tcp://127.0.0.1:%d+: the peer does not speak TLS %(wrong version number%)$",
        server:start_tls(server_context))
    end)

    it("fails in time when the other side is silent, and the connection is closed", function()
      assert_failure("timeout", "^TLS with tcp://127.0.0.1:%d+: timed out$",
        client:start_tls(client_context, { server_name = "localhost", timeout = 0.01 }))
      assert.is_false(client.is_open)
      local accepting <const>, silent <const> = net.pair()
      assert_failure("timeout", "timed out", accepting:start_tls(server_context, { timeout = 0.01 }))
      silent:close()
    end)

    it("ends with a deadline around it", function()
      assert_failure("timeout", "the deadline has passed", task.deadline(0.01, client.start_tls, client, client_context,
        { server_name = "localhost" }))
      assert.is_false(client.is_open)
    end)

    it("can be cancelled", function()
      for _, context in ipairs { client_context, server_context } do
        local conn <const>, peer <const> = net.pair()
        local starting <const> = parked(conn.start_tls, conn, context, { server_name = "localhost" })
        starting:cancel()
        assert.equal("cancelled", (select(3, starting:join())))
        assert.is_false(conn.is_open)
        peer:close()
      end
    end)

    it("ends when another task closes or aborts the connection", function()
      local starting <const> = parked(client.start_tls, client, client_context, { server_name = "localhost" })
      client:close()
      assert_failure("closed", "^start TLS with .*: the connection is closed$", starting:join())
    end)

    it("ends when another task aborts the connection", function()
      local accepting <const> = parked(server.start_tls, server, server_context)
      server:abort()
      assert_failure("closed", "^start TLS with .*: the connection is closed$", accepting:join())
    end)

    it("ends when the peer goes away", function()
      local accepting <const> = parked(server.start_tls, server, server_context)
      client:close()
      assert_failure("tls", "^TLS with tcp://127.0.0.1:%d+: the peer ended the connection during the handshake$",
        accepting:join())
    end)

    it("ends when the peer resets the connection", function()
      local accepting <const> = parked(server.start_tls, server, server_context)
      client:abort()
      assert_failure("tls", "^TLS with tcp://127.0.0.1:%d+: Connection reset by peer$", accepting:join())
    end)

    it("ends well when the connection is collected meanwhile", function()
      local gone <const> = setmetatable({}, { __mode = "v" })
      do
        local conn, peer <const> = helper.tcp_pair()
        gone[1] = parked(conn.start_tls, conn, client_context, { server_name = "localhost" })
        conn = nil -- luacheck: ignore
        gone[1]:cancel()
        gone[1]:join()
        peer:abort()
      end
      collectgarbage()
      collectgarbage()
    end)

    it("takes the bytes that came with the handshake's last ones", function()
      local accepting <const> = task.spawn(function()
        assert(server:start_tls(server_context))
        return server:read(5)
      end)
      assert(client:start_tls(client_context, { server_name = "localhost" }))
      client:write "early"
      assert.equal("early", (accepting:join()))
    end)

    it("lets no other task read or write meanwhile", function()
      local accepting <const> = parked(server.start_tls, server, server_context)
      assert_misuse("another task", server.read, server, 1)
      assert_failure("tls", "^write to .*: another task is starting TLS$", server:write "in the clear?")
      assert_failure("tls", "another task is starting TLS", server:shutdown())
      assert_failure("tls", "another task is starting TLS", server:send_file "/etc/passwd")
      assert_misuse("TLS already", server.start_tls, server, server_context)
      assert(client:start_tls(client_context, { server_name = "localhost" }))
      assert.is_true((accepting:join()) == server)
      server:write "now"
      assert.equal("now", (client:read(3)))
    end)

    it("is not begun while another task reads or waits to write", function()
      local reader <const> = parked(server.read, server, 1)
      assert_misuse("another task is reading", server.start_tls, server, server_context)
      reader:cancel()
      reader:join()
      start_both()
    end)

    it("happens once", function()
      start_both()
      assert_misuse("the connection has TLS already", client.start_tls, client, client_context,
        { server_name = "localhost" })
      client:write "still"
      assert.equal("still", (server:read(5)))
    end)

    it("fails on a closed connection and after our side's end", function()
      client:shutdown()
      assert_failure("closed", "^start TLS with .*: the connection is closed$",
        client:start_tls(client_context, { server_name = "localhost" }))
      server:close()
      assert_failure("closed", "the connection is closed", server:start_tls(server_context))
    end)

    it("may be the other way round: who connected can be the server", function()
      local accepting <const> = task.spawn(client.start_tls, client, server_context)
      assert(server:start_tls(client_context, { server_name = "localhost" }))
      assert.is_true((accepting:join()) == client)
    end)

    it("refuses misuse, and the connection stays as it was", function()
      assert_misuse("'server_name' is missing: whose certificate is it to be?", client.start_tls, client,
        client_context)
      assert_misuse("perigee.tls.context expected", client.start_tls, client)
      assert_misuse("perigee.tls.context expected", client.start_tls, client, {})
      assert_misuse("option 'server_name' must be a string", client.start_tls, client, client_context,
        { server_name = 5 })
      assert_misuse("no option 'nonsense'", client.start_tls, client, client_context, { nonsense = 5 })
      assert_misuse("timeout", client.start_tls, client, client_context, { server_name = "localhost", timeout = -1 })
      start_both()
    end)

    it("needs no name when nothing is verified", function()
      local trusting <const> = assert(tls.client { verify = false })
      local accepting <const> = task.spawn(server.start_tls, server, server_context)
      assert(client:start_tls(trusting))
      accepting:join()
      assert.same({ false, "CN=localhost" }, { client.tls.verified, client.tls.peer.subject })
    end)

    it("refuses a name that cannot be one", function()
      local name <const> = ("x"):rep(300)
      assert_failure("tls", "name", client:start_tls(client_context, { server_name = name }))
    end)

    it("may end the connection in on_server_name", function()
      for _, method in ipairs { "close", "abort" } do
        local a <const>, b <const> = net.pair()
        local context <const> = assert(tls.server(certificates.of("localhost", { on_server_name = function()
          b[method](b)
        end })))
        local accepting <const> = task.spawn(b.start_tls, b, context)
        assert.is_nil((a:start_tls(client_context, { server_name = "localhost" })))
        local started <const>, _, code <const> = accepting:join()
        assert.is_nil(started)
        assert.is_true(code == "tls" or code == "closed")
        a:abort()
      end
    end)
  end)
end)
