local helper <const> = require "spec.helper"
local buffer <const> = require "perigee.buffer"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local LOOPBACK <const> = "udp://127.0.0.1:0"

local function code_of(_, _, code)
  return code
end

local assert_misuse <const> = helper.assert_misuse

local function serve(handler, options)
  return assert(net.serve(LOOPBACK, handler, options))
end

--- A client that is connected to the server, and gives up in the end.
local function client_of(server)
  return assert(net.udp(nil, { connect = tostring(server.address), timeout = 20 }))
end

local function closed_port()
  local socket <const> = assert(net.udp(LOOPBACK))
  local address <const> = tostring(socket.address)
  socket:close()
  return address
end

describe("a datagram socket", function()
  helper.leaves_nothing(before_each, after_each)

  it("sends to an address, a URL or what it is connected to", function()
    local a <close> = net.udp(LOOPBACK)
    local b <close> = net.udp(LOOPBACK)
    a.timeout = 20
    assert.is_true(b:send("1", a.address))
    assert.is_true(b:send("2", tostring(a.address)))
    assert.same({ "1", tostring(b.address) }, { (a:receive()), tostring(b.address) })
    local message <const>, from <const> = a:receive()
    assert.same({ "2", tostring(b.address) }, { message, tostring(from) })
  end)

  it("sends strings, numbers and buffers, empty ones too", function()
    local server <close> = serve(function(message) return message end)
    local client <close> = client_of(server)
    local array <const> = buffer.array("u16", 2):fill(65535)
    for _, message in ipairs { "text", 12, "", array, buffer.new(0), "a\0b" } do
      assert.is_true(client:send(message))
    end
    for _, expected in ipairs { "text", "12", "", array:string(), "", "a\0b" } do
      local message <const>, from <const> = client:receive()
      assert.same({ expected, true }, { message, from == server.address })
    end
  end)

  it("has a copy of a buffer that is changed after the send", function()
    local server <close> = serve(function(message) return message end)
    local client <close> = client_of(server)
    local b <const> = buffer.from "before"
    client:send(b)
    b:copy "after!"
    assert.equal("before", (client:receive()))
  end)

  it("carries 65507 bytes over IPv4 and refuses more", function()
    local server <close> = serve(function(message) return message end)
    local client <close> = client_of(server)
    local sent <const>, why <const>, code <const> = client:send(("x"):rep(65508))
    assert.same({ nil, "limit" }, { sent, code })
    assert.matches("^send on udp://127.0.0.1:%d+: Message too long", why)
    assert.is_true(client:send(("y"):rep(65507)))
    assert.equal(("y"):rep(65507), (client:receive()))
  end)

  it("waits for a datagram no longer than its timeout", function()
    local socket <close> = assert(net.udp(LOOPBACK, { timeout = 0.01 }))
    local message <const>, why <const>, code <const> = socket:receive()
    assert.same({ nil, "timeout" }, { message, code })
    assert.matches("^receive on udp://127.0.0.1:%d+: ", why)
    socket.timeout = nil
    assert.equal(math.huge, socket.timeout)
  end)

  it("that is connected tells of a refused port, and can be used on", function()
    local client <close> = assert(net.udp(nil, { connect = closed_port(), timeout = 20 }))
    client:send "x"
    local message <const>, why <const>, code <const> = client:receive()
    assert.same({ nil, "refused" }, { message, code })
    assert.matches("^receive on udp://127.0.0.1:%d+: Connection refused", why)
    client.timeout = 0.01
    assert.equal("timeout", code_of(client:receive()))
  end)

  it("that is connected receives from its peer alone", function()
    local peer <close> = net.udp(LOOPBACK)
    local stranger <close> = net.udp(LOOPBACK)
    local client <close> = net.udp(nil, { connect = tostring(peer.address), timeout = 20 })
    stranger:send("from a stranger", client.address)
    peer:send("from the peer", client.address)
    assert.equal("from the peer", (client:receive()))
  end)

  it("may be closed while a task receives", function()
    local socket <const> = net.udp(LOOPBACK)
    local t <const> = task.spawn(socket.receive, socket)
    helper.eventually(function() return t.state == "waiting" end)
    socket:close()
    socket:close()
    assert.equal("closed", code_of(t:join()))
    assert.same({ false, nil }, { socket.is_open, socket.address })
    assert.equal("closed", code_of(socket:receive()))
    assert.equal("closed", code_of(socket:send("x", "udp://127.0.0.1:1")))
    assert.equal("datagram socket: nil", tostring(socket))
  end)

  it("sends what was queued when it is closed", function()
    local receiver <close> = net.udp(LOOPBACK, { timeout = 20 })
    local sender <const> = net.udp(LOOPBACK)
    for i = 1, 40 do sender:send(i, receiver.address) end
    sender:close()
    for i = 1, 40 do assert.equal(tostring(i), (receiver:receive())) end
  end)

  it("refuses misuse", function()
    local socket <close> = net.udp(LOOPBACK)
    assert_misuse("not connected", function() socket:send "x" end)
    assert_misuse("sent to udp://", function() socket:send("x", "tcp://127.0.0.1:1") end)
    assert_misuse("look it up first", function() socket:send("x", "udp://localhost:1") end)
    assert_misuse("the scheme is missing", function() socket:send("x", "127.0.0.1") end)
    assert_misuse("string expected, got nil", function() socket:send(nil, "udp://127.0.0.1:1") end)
    assert_misuse("no field 'high_water'", function() socket.high_water = 1 end)
    assert_misuse("seconds must be 0 or more", function() socket.timeout = -1 end)
    assert_misuse("only udp:// addresses", net.udp, "tcp://127.0.0.1:0")
    assert_misuse("no option 'nodelay'", net.udp, LOOPBACK, { nodelay = true })
    assert_misuse("option 'max_tasks' must be", serve, print, { max_tasks = 0 })
  end)

  it("is received on by one task or served, not both", function()
    local socket <const> = net.udp(LOOPBACK)
    local first <const> = task.spawn(socket.receive, socket)
    helper.eventually(function() return first.state == "waiting" end)
    assert_misuse("another task is receiving", socket.receive, socket)
    assert_misuse("a task is receiving", socket.serve, socket, print)
    socket:send("x", socket.address)
    assert.equal("x", (first:join()))
    socket:serve(print)
    assert_misuse("another task is receiving", socket.receive, socket)
    assert_misuse("is served already", socket.serve, socket, print)
    socket:close()
    assert_misuse("the socket is closed", socket.serve, socket, print)
  end)

  it("is closed when it is garbage", function()
    do
      local socket = net.udp(LOOPBACK)
      socket:send("x", socket.address)
      socket = nil -- luacheck: ignore
    end
    local before <const> = task.counts().datagrams
    collectgarbage()
    assert.equal(before - 1, task.counts().datagrams)
  end)
end)
