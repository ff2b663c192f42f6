local helper <const> = require "spec.helper"
local address <const> = require "core.address"
local connection <const> = require "core.connection"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local assert_misuse <const>, assert_failure <const> = helper.assert_misuse, helper.assert_failure

--- An address where nobody listens.
local function refused_address()
  local server <close> = assert(net.serve("tcp://127.0.0.1:0", print))
  return tostring(server.address)
end

describe("a connection", function()
  helper.leaves_nothing(before_each, after_each)

  it("knows both its ends over TCP, the peer's after the end too", function()
    local a <const>, b <const> = helper.tcp_pair()
    assert.matches("^tcp://127.0.0.1:%d+$", tostring(a.peer))
    assert.is_true(a.peer == b.address and b.peer == a.address)
    assert.same({ "tcp", "127.0.0.1" }, { a.peer.scheme, a.peer.host })
    assert.equal("connection: " .. a.peer, tostring(a))
    a:close()
    assert.is_true(a.peer == b.address)
    assert.is_nil(a.address)
    assert.equal("connection: " .. a.peer .. " (closed)", tostring(a))
    b:close()
  end)

  it("knows both its ends over a Unix socket while it is open", function()
    local path <const> = "unix:@perigee-connection-spec-" .. math.random(1 << 40)
    local _ <close> = net.serve(path, function(conn) conn:write(tostring(conn.address)) end)
    local conn <const> = net.connect(path)
    assert.same({ path, path }, { conn:read_all(), tostring(conn.peer) })
    conn:close()
    assert.is_nil(conn.peer)
    assert_failure("closed", "^read from a closed connection: the connection is closed$", conn:read(1))
  end)

  it("is closed once, however often", function()
    local a <const>, b <const> = net.pair()
    assert.is_true(a.is_open)
    for _ = 1, 3 do a:close() end
    a:abort()
    assert.is_false(a.is_open)
    assert.equal("", (b:read_all()))
    b:abort()
    b:abort()
    b:close()
  end)

  it("is closed at the end of its <close> variable, after an error too", function()
    local a <const>, b <const> = net.pair()
    pcall(function()
      local _ <close> = a
      error "broken"
    end)
    assert.is_false(a.is_open)
    b:close()
  end)

  it("is closed when it is garbage, and still sends what was written", function()
    local text <const> = ("x"):rep(helper.is_tiny and 3000 or 1000000)
    local b
    do
      local a
      a, b = net.pair()
      a.high_water = 1 << 30
      a:write(text)
      a = nil -- luacheck: ignore
    end
    collectgarbage()
    assert.is_true(b:read_all() == text)
    b:close()
  end)

  it("of a handler that has let go of it is closed, and the handler goes on", function()
    local gate <const>, ended = task.channel(1), false
    local begun = false
    local server <close> = net.serve("tcp://127.0.0.1:0", function(conn)
      conn:write "bye"
      conn = nil -- luacheck: ignore
      begun = true
      gate:receive()
      ended = true
    end)
    local conn <close> = net.connect(tostring(server.address))
    helper.eventually(function()
      collectgarbage()
      return begun and task.counts().connections == 1
    end)
    assert.equal("bye", (conn:read_all()))
    gate:send(true)
    helper.eventually(function() return ended and server.sockets[1].active == 0 end)
  end)

  it("gives the peer a reset when it is aborted", function()
    local a <close>, b = helper.tcp_pair()
    local t <const> = task.spawn(a.read, a, 1)
    b:write "never sent"
    b:abort()
    assert_failure("reset", "^read from tcp://127.0.0.1:%d+: Connection reset by peer$", t:join())
    assert.matches("^connection to tcp://127.0.0.1:%d+: Connection reset by peer$", a.error)
  end)

  it("tells in error why the last operation failed, and nil before", function()
    local a <close>, b <const> = net.pair()
    assert.is_nil(a.error)
    a.timeout = 0.001
    a:read(1)
    assert.matches("^connection to .*: timed out$", a.error)
    b:close()
    a:read(1)
    assert.matches("^connection to .*: closed by the peer$", a.error)
  end)

  it("has a timeout and a high water mark that can be set", function()
    local a <close>, b <const> = net.pair()
    b:close()
    assert.same({ 300.0, 262144, 0 }, { a.timeout, a.high_water, a.queued })
    a.timeout, a.high_water = 0.5, 1
    assert.same({ 0.5, 1 }, { a.timeout, a.high_water })
    assert_misuse("timeout must be seconds above 0", function() a.timeout = 0 end)
    assert_misuse("seconds must be 0 or more", function() a.timeout = -1 end)
    assert_misuse("seconds must be 0 or more", function() a.timeout = 0 / 0 end)
    assert_misuse("number expected, got string", function() a.timeout = "soon" end)
    assert_misuse("high_water must be bytes", function() a.high_water = 0 end)
    assert_misuse("high_water must be bytes", function() a.high_water = 1 << 32 end)
    assert_misuse("no field 'peer' that can be set", function() a.peer = "x" end)
    assert_misuse("no field 'nonsense' that can be set", function() a.nonsense = 1 end)
    assert.is_nil(a.nonsense)
  end)
end)

describe("connecting", function()
  helper.leaves_nothing(before_each, after_each)

  it("fails where nobody listens", function()
    local at <const> = refused_address()
    assert_failure("refused", "^connect to tcp://127.0.0.1:%d+: Connection refused$", net.connect(at))
    assert_failure("unreachable", "^connect to unix:/nowhere/at/all: No such file", net.connect "unix:/nowhere/at/all")
  end)

  it("tries all addresses, and tells of the last failure", function()
    local server <close> = net.serve("tcp://127.0.0.1:0", function(conn) conn:write "hello" end)
    local nobody <const> = address.lookup(refused_address())[1]
    local conn <close> = connection.connect { nobody, nobody, server.address }
    assert.same({ "hello", true }, { conn:read(5), conn.peer == server.address })
    assert_failure("refused", "^connect to tcp://127.0.0.1:%d+ %(and 1 more%): Connection refused",
      connection.connect { nobody, nobody })
  end)

  it("fails in time when there is no answer", function()
    local silent <const> = helper.unanswered_address()
    assert_failure("timeout", "^connect to unix:@.*: Connection timed out",
      net.connect(silent.address, { timeout = 0.01 }))
    assert_failure("timeout", "", connection.connect(address.lookup(silent.address), 0))
    silent.close()
  end)

  it("can be cancelled", function()
    local silent <const> = helper.unanswered_address()
    local t <const> = task.spawn(net.connect, silent.address)
    helper.eventually(function() return t.state == "waiting" end)
    t:cancel()
    assert.equal("cancelled", (select(3, t:join())))
    silent.close()
  end)

  it("gives the connection the timeout that it was given", function()
    local server <close> = net.serve("tcp://127.0.0.1:0", function(conn) conn:read_all() end)
    local conn <close> = net.connect(tostring(server.address), { timeout = 5, nodelay = false, keepalive = false })
    local other <close> = net.connect(tostring(server.address))
    assert.same({ 5.0, 300.0 }, { conn.timeout, other.timeout })
  end)

  it("refuses misuse, and is not disturbed by it", function()
    local at <const> = address.lookup(refused_address())
    assert_misuse("list of addresses is empty", connection.connect, {})
    assert_misuse("it must be a list of addresses", connection.connect, { "tcp://127.0.0.1:1" })
    assert_misuse("table expected", connection.connect, at[1])
    assert_misuse("cannot use the scheme 'udp'", connection.connect, address.lookup "udp://127.0.0.1:1")
    assert_misuse("seconds must be 0 or more", connection.connect, at, -1)
    assert_misuse("number expected", connection.connect, at, "soon")
    assert_misuse("no option 'backlog'", connection.connect, at, 1, { backlog = 1 })
    assert_misuse("option 'keepalive' must be an integer", connection.connect, at, 1, { keepalive = true })
    for _ = 1, 5 do task.sleep(0.001) end
  end)

  it("connects two ends of this process", function()
    local a <const>, b <const> = net.pair()
    a:write "there"
    b:write "back"
    assert.same({ "back", "there" }, { a:read(4), (b:read(5)) })
    assert.same({ "unix:", "unix:" }, { tostring(a.peer), tostring(a.address) })
    a:close()
    b:close()
  end)
end)
