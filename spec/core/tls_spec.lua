local helper <const> = require "spec.helper"
local certificates <const> = require "spec.fixtures.certificates"
local buffer <const> = require "perigee.buffer"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

-- What holds over all transports is in connection_*_spec.lua, which run over TLS as well.

local SIZES <const> = helper.is_tiny and { 1, 2, 6, 7, 8, 100, 3000 }
  or { 1, 2, 100, 4096, 16383, 16384, 16385, 32769, 65536, 1 << 20 }

local assert_failure <const> = helper.assert_failure

local function parked(f, ...)
  local t <const> = task.spawn(f, ...)
  helper.eventually(function() return t.state == "waiting" end)
  return t
end

local function text_of(size)
  local piece <const> = ("0123456789abcdefghijklmnopqrstuvwxyz"):rep(1 + size // 36)
  return piece:sub(1, size)
end

for _, version in ipairs { "1.2", "1.3" } do describe("a stream over TLS " .. version, function()
  helper.leaves_nothing(before_each, after_each)

  describe("", function()
    local client, server
    before_each(function() client, server = helper.tls_pair(nil, version) end)
    after_each(function() client:abort() server:abort() end)

    it("is of that version, and says what was agreed on", function()
      for _, conn in ipairs { client, server } do
        assert.same({ "TLSv" .. version, "tls", false }, { conn.tls.version, conn.peer.scheme, conn.tls.resumed })
        assert.matches("GCM", conn.tls.cipher)
        assert.is_nil(conn.tls.protocol)
        assert.is_nil(conn.tls.server_name)
      end
      assert.same({ true, "CN=localhost", "localhost" },
        { client.tls.verified, client.tls.peer.subject, client.tls.peer.common_name })
      assert.same({ "localhost", "127.0.0.1", "::1" }, client.tls.peer.names)
      assert.same({ 1577836800, 4070908800 }, { client.tls.peer.not_before, client.tls.peer.not_after })
      assert.equal("CN=ca,O=Perigee specs", client.tls.peer.issuer)
      assert.same({ 64, false }, { #client.tls.peer.fingerprint, server.tls.verified })
      assert.is_nil(server.tls.peer)
      client:close()
      assert.is_nil(client.tls)
    end)

    it("moves any number of bytes, both ways at once", function()
      for _, size in ipairs(SIZES) do
        local text <const> = text_of(size)
        local function send(conn) return conn:write(text), (conn:flush()) end
        local sending <const> = { task.spawn(send, client), task.spawn(send, server) }
        assert.is_true(server:read(size) == text)
        assert.is_true(client:read(size) == text)
        for _, t in ipairs(sending) do assert.same({ true, true }, { t:join() }) end
      end
    end)

    it("moves strings, numbers, buffers and files in order", function()
      local path <const> = helper.temporary_name()
      local content <const> = text_of(helper.is_tiny and 1000 or 100000)
      local file <close> = assert(io.open(path, "wb"))
      file:write(content)
      file:close()
      local bytes <const> = buffer.from(text_of(20000))
      local writer <const> = task.spawn(function()
        client:write("a", 1, bytes)
        client:send_file(path)
        client:write(bytes:view(1, 10), "z")
        client:send_file(path, 10, 20)
        return client:shutdown()
      end)
      local expected <const> = "a1" .. bytes:string() .. content .. text_of(10) .. "z" .. content:sub(11, 30)
      assert.is_true(server:read_all() == expected)
      assert.is_true((writer:join()))
      os.remove(path)
    end)

    it("fills a buffer, over as many records as it takes", function()
      local size <const> = helper.is_tiny and 3000 or 300000
      local bytes <const> = buffer.new(size)
      task.spawn(function()
        for at = 1, size, 1000 do
          server:write(text_of(size):sub(at, at + 999))
          server:flush()
        end
      end)
      assert.equal(size, (client:read_into(bytes)))
      assert.is_true(bytes:string() == text_of(size))
    end)

    it("ends in each direction by itself", function()
      client:write "request"
      assert.is_true(client:shutdown())
      assert.equal("request", (server:read_all()))
      server:write "response"
      assert.is_true(server:shutdown())
      assert.equal("response", (client:read_all()))
      assert_failure("closed", "closed by the peer", client:read(1))
      assert_failure("closed", "the connection is closed", client:write "x")
    end)

    it("ends with a close, of either side", function()
      server:write "bye"
      server:close()
      assert.same({ "bye", "" }, { client:read_all(), (client:read_all()) })
      assert.matches("closed by the peer", client.error or "closed by the peer")
    end)

    it("is reset by an abort", function()
      local reader <const> = parked(server.read, server, 1)
      client:write "never sent"
      client:abort()
      assert_failure("reset", "^read from tls://127.0.0.1:%d+: Connection reset by peer$", reader:join())
    end)

    it("can be read and written by two tasks at once for long", function()
      local count <const> = helper.is_tiny and 30 or 2000
      local echo <const> = task.spawn(function() for chunk in server:chunks() do server:write(chunk) end end)
      local writer <const> = task.spawn(function()
        for i = 1, count do client:write(("%06d"):format(i)) if i % 7 == 0 then task.sleep(0) end end
        client:shutdown()
      end)
      for i = 1, count do assert.equal(("%06d"):format(i), (client:read(6))) end
      writer:join()
      server:shutdown()
      assert.equal("", (client:read_all()))
      echo:join()
    end)

    it("keeps what has come when a deadline or a cancel ends a read", function()
      server:write "abc"
      assert_failure("timeout", "the deadline has passed", task.deadline(0.02, client.read, client, 5))
      local reader <const> = parked(client.read, client, 5)
      reader:cancel()
      reader:join()
      server:write "de"
      assert.equal("abcde", (client:read(5)))
    end)

    it("keeps the order of what was written when a cancel ends a write", function()
      local text <const> = text_of(helper.is_tiny and 30000 or 8 << 20)
      client.high_water = 1000
      local writer <const> = task.spawn(client.write, client, text)
      helper.eventually(function() return writer.state ~= "ready" end)
      writer:cancel()
      writer:join()
      task.spawn(function() client.high_water = 1 << 30 client:write "end" client:shutdown() end)
      local got <const> = server:read_all(1 << 30)
      assert.is_true(text .. "end" == got or got:sub(-3) == "end" and text:sub(1, #got - 3) == got:sub(1, -4))
    end)
  end)
end) end

describe("connections over TLS", function()
  helper.leaves_nothing(before_each, after_each)

  local function echo_server(options)
    local given <const> = { tls = certificates.of "localhost" }
    for name, value in pairs(options or {}) do given[name] = value end
    return assert(net.serve("tls://127.0.0.1:0", function(conn)
      for chunk in conn:chunks() do conn:write(chunk) end
    end, given))
  end

  it("can be many at once", function()
    local server <close> = echo_server()
    local done = 0
    task.group(function(group)
      for i = 1, helper.is_tiny and 10 or 200 do
        group:spawn(function()
          local conn <close> = assert(net.connect(tostring(server.address), { tls = certificates.trusting() }))
          local text <const> = text_of(i * (helper.is_tiny and 10 or 500))
          conn:write(text)
          assert.is_true(conn:read(#text) == text)
          done = done + 1
        end)
      end
    end)
    assert.equal(helper.is_tiny and 10 or 200, done)
  end)

  it("can be had over a Unix socket and over IPv6", function()
    local server <close> = assert(net.serve({ "unix:@perigee-tls-spec-" .. math.random(1 << 40), "tls://[::1]:0" },
      function(conn) conn:write(conn.tls.version) end, { tls = certificates.of "localhost" }))
    for i, options in ipairs { { tls = certificates.trusting(), server_name = "localhost" },
      { tls = certificates.trusting() } } do
      local conn <close> = assert(net.connect(tostring(server.addresses[i]), options))
      assert.same({ "TLSv1.3", i == 1 and "unix" or "tls" }, { conn:read_all(), conn.peer.scheme })
    end
  end)

  it("are accepted by name and by address of the certificate", function()
    local server <close> = echo_server()
    for _, host in ipairs { "localhost", "127.0.0.1" } do
      local conn <close> = assert(net.connect(("tls://%s:%d"):format(host, server.address.port),
        { tls = certificates.trusting() }))
      conn:write "x"
      assert.equal("x", (conn:read(1)))
    end
  end)

  it("do not pass descriptors, nor on themselves", function()
    local client <close>, server <const> = helper.tls_pair()
    local plain <close>, other <const> = net.pair()
    assert_failure("tls", "carries TLS", plain:send_fd(client))
    assert_failure("tls", "carries TLS", client:send_fd(plain))
    assert_failure("tls", "carries TLS", client:receive_fd())
    assert.is_true(client.is_open and plain.is_open)
    server:close()
    other:close()
  end)

  it("are closed when they are garbage, and still send what was written", function()
    local text <const> = text_of(helper.is_tiny and 3000 or 1000000)
    local server
    do
      local client
      client, server = helper.tls_pair()
      client.high_water = 1 << 30
      client:write(text)
      client = nil -- luacheck: ignore
    end
    collectgarbage()
    assert.is_true(server:read_all() == text)
    server:close()
  end)
end)
