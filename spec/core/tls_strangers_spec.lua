local helper <const> = require "spec.helper"
local certificates <const> = require "spec.fixtures.certificates"
local listener <const> = require "core.listener"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

-- Clients of a TLS port that do not shake hands, and servers that do not.

local assert_failure <const> = helper.assert_failure

local told = {}

local function collect(address, peer, message, silenced)
  table.insert(told, { address = tostring(address), peer = tostring(peer), message = message, silenced = silenced })
end

local function serve(options)
  options.tls = options.tls or certificates.of "localhost"
  return assert(net.serve("tls://127.0.0.1:0", function(conn)
    for chunk in conn:chunks() do conn:write(chunk) end
  end, options))
end

local function plain_address(server)
  return (tostring(server.address):gsub("^tls:", "tcp:"))
end

local function assert_echo(server, options)
  local conn <close> = assert(net.connect(tostring(server.address), { tls = certificates.trusting(nil, options) }))
  conn:write "echo"
  assert.equal("echo", (conn:read(4)))
end

describe("a port of TLS", function()
  helper.leaves_nothing(before_each, after_each)
  before_each(function()
    told = {}
    listener.on_handshake_failed(collect)
  end)

  --- Sends bytes in the clear, reads until the end, and returns what the server was told.
  local function send_plain(bytes, ends)
    local server <close> = serve {}
    local conn <close> = assert(net.connect(plain_address(server)))
    conn:write(bytes)
    if ends then conn:shutdown() end
    conn:read_all()
    helper.eventually(function() return #told == 1 and server.sockets[1].active == 0 end)
    assert.same({ tostring(server.address), (tostring(conn.address or told[1].peer):gsub("tcp:", "tls:")), 0 },
      { told[1].address, told[1].peer, told[1].silenced })
    assert_echo(server)
    return told[1].message
  end

  it("tells of plain text", function()
    assert.equal("the peer does not speak TLS (wrong version number)", send_plain "EHLO example.org\r\n")
  end)

  it("tells of HTTP", function()
    assert.equal("the peer speaks HTTP without TLS (http request)", send_plain "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
  end)

  it("tells of old versions of SSL", function()
    local of_ssl_3 <const> = "\22\3\0\0\45\1\0\0\41\3\0" .. ("r"):rep(32) .. "\0\0\2\0\47\1\0"
    assert.equal("there is no common version of TLS (version too low)", send_plain(of_ssl_3))
    told = {}
    local of_ssl_2 <const> = "\128\46\1\0\2\0\21\0\0\0\16" .. ("\1\0\128"):rep(7) .. ("c"):rep(16)
    assert.is_string(send_plain(of_ssl_2))
  end)

  it("tells of a client that goes away", function()
    assert.equal("the peer ended the connection during the handshake", send_plain("", true))
    told = {}
    assert.equal("the peer ended the connection during the handshake", send_plain("\22\3\1", true))
  end)

  it("tells of a client that resets the connection", function()
    local server <close> = serve {}
    local conn <const> = assert(net.connect(plain_address(server)))
    helper.eventually(function() return server.sockets[1].active == 1 end)
    conn:abort()
    helper.eventually(function() return #told == 1 end)
    assert.equal("Connection reset by peer", told[1].message)
  end)

  it("survives garbage", function()
    local server <close> = serve { handshake_timeout = 0.02 }
    local random = 7
    local function next_byte()
      random = (random * 1103515245 + 12345) % (1 << 31)
      return string.char(random >> 16 & 255)
    end
    for i = 1, helper.is_tiny and 30 or 300 do
      local conn <close> = assert(net.connect(plain_address(server)))
      local bytes <const> = {}
      for at = 1, i do bytes[at] = next_byte() end
      local prefix <const> = ({ "", "\22\3\1", "\22\3\1\2\0\1\0\1\252\3\3", "\20\3\3\0\1\1", "\21\3\3\0\2" })[i % 5 + 1]
      conn:write(prefix, table.concat(bytes))
      conn:shutdown()
    end
    helper.eventually(function() return server.sockets[1].active == 0 end)
    assert_echo(server)
  end)

  it("is not kept busy by a client that is silent: others are served", function()
    local server <close> = serve { handshake_timeout = 0.2 }
    local silent <const> = {}
    for i = 1, 20 do silent[i] = assert(net.connect(plain_address(server))) end
    helper.eventually(function() return server.sockets[1].active == 20 end)
    assert.equal(20, task.counts().handshakes)
    assert_echo(server)
    for _, conn in ipairs(silent) do
      assert.equal("", (conn:read_all())) -- until the deadline
      conn:close()
    end
    assert.equal("timed out", told[1].message)
    helper.eventually(function() return server.sockets[1].active == 0 end)
  end)

  it("is not kept busy by a client that sends its hello byte by byte", function()
    local server <close> = serve { handshake_timeout = 0.1 }
    local conn <close> = assert(net.connect(plain_address(server)))
    for byte in ("\22\3\1\2\0\1\0\1\252\3\3" .. ("x"):rep(1000)):gmatch "." do
      if not conn:write(byte) then break end
      task.sleep(0.005)
    end
    assert.equal("timed out", told[1].message)
  end)

  it("counts clients that are silent among its connections", function()
    local server <close> = serve { max_connections = 2, handshake_timeout = 0.1 }
    local silent <const> = { assert(net.connect(plain_address(server))), assert(net.connect(plain_address(server))) }
    helper.eventually(function() return server.sockets[1].active == 2 end)
    assert_echo(server) -- when a slot is free again
    assert.is_true(#told >= 1)
    for _, conn in ipairs(silent) do conn:close() end
    helper.eventually(function() return server.sockets[1].active == 0 end)
  end)

  it("tells of ten failures in a second, then how many there were", function()
    local server <close> = serve {}
    local sent, silenced = 0, 0
    local function fail()
      local conn <close> = assert(net.connect(plain_address(server)))
      conn:write "plain text"
      conn:read_all()
      sent = sent + 1
    end
    for _ = 1, 30 do fail() end
    assert.is_true(#told >= 10 and #told < 30)
    helper.eventually(function()
      fail()
      for _, failure in ipairs(told) do silenced = silenced + failure.silenced end
      return silenced > 0
    end)
    assert.equal(sent, #told + silenced)
  end)

  it("that is closed lets handshakes under way end, and serves them", function()
    local server <const> = serve {}
    local conn <const> = assert(net.connect(plain_address(server)))
    helper.eventually(function() return task.counts().handshakes == 1 end)
    server:close()
    local context <const> = assert(require "perigee.tls".client(certificates.trusting()))
    assert(conn:start_tls(context, { server_name = "localhost" }))
    conn:write "late"
    assert.equal("late", (conn:read(4)))
    conn:close()
  end)

  it("that is collected with handshakes under way leaves nothing", function()
    local conn
    do
      local server <const> = serve { handshake_timeout = 0.05 }
      conn = assert(net.connect(plain_address(server)))
      helper.eventually(function() return task.counts().handshakes == 1 end)
      server:close()
    end
    collectgarbage()
    collectgarbage()
    assert.equal("", (conn:read_all()))
    conn:close()
  end)
end)

describe("a client of TLS", function()
  helper.leaves_nothing(before_each, after_each)

  it("tells of a server that does not speak it", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      conn:write "220 ready\r\n"
      conn:read_all()
    end))
    local address <const> = tostring(server.address):gsub("^tcp:", "tls:")
    assert_failure("tls",
      "^TLS with tls://127.0.0.1:%d+: the peer does not speak TLS %(wrong version number%)$", net.connect(address))
  end)

  it("tells of a plain server that reads its hello and goes", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:read(10) end))
    local address <const> = tostring(server.address):gsub("^tcp:", "tls:")
    local got <const>, message <const>, code <const> = net.connect(address)
    assert.same({ nil, "tls" }, { got, code })
    assert.matches("the peer ended the connection during the handshake$", message)
  end)

  it("gives up a server that is silent, in time", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:read_all() end))
    local address <const> = tostring(server.address):gsub("^tcp:", "tls:")
    assert_failure("timeout", "^TLS with tls://127.0.0.1:%d+: timed out$", net.connect(address, { timeout = 0.05 }))
    assert_failure("timeout", "the deadline has passed", task.deadline(0.05, net.connect, address))
    local connecting <const> = task.spawn(net.connect, address)
    helper.eventually(function() return server.sockets[1].active == 1 and connecting.state == "waiting" end)
    connecting:cancel()
    assert.equal("cancelled", (select(3, connecting:join())))
  end)

  it("cannot be had without a server's certificate", function()
    local ok <const>, message <const> = pcall(net.serve, "tls://127.0.0.1:0", print)
    assert.is_false(ok)
    assert.matches("tls:// needs a certificate: option 'tls' is missing$", message)
  end)
end)
