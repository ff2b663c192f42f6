local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local LOOPBACK <const> = "udp://127.0.0.1:0"

local function code_of(_, _, code)
  return code
end

local function serve(handler, options)
  return assert(net.serve(LOOPBACK, handler, options))
end

--- A client that is connected to the server, and gives up in the end.
local function client_of(server)
  return assert(net.udp(nil, { connect = tostring(server.address), timeout = 20 }))
end

describe("a datagram server", function()
  helper.leaves_nothing(before_each, after_each)

  it("replies with the string that its handler returns", function()
    local server <close> = serve(function(message) return message:upper() end)
    local client <close> = client_of(server)
    assert.is_true(client:send "hello")
    local message <const>, from <const> = client:receive()
    assert.same({ "HELLO", tostring(server.address) }, { message, tostring(from) })
    assert.is_true(from == server.address)
  end)

  it("tells its handler who sent, and on which socket", function()
    local seen
    local server <close> = serve(function(message, from, socket)
      seen = { message, tostring(from), socket.address == from, socket.active, from.scheme }
      socket:send("by hand", from)
    end)
    local client <close> = client_of(server)
    client:send "x"
    assert.equal("by hand", (client:receive()))
    assert.same({ "x", tostring(client.address), false, 1, "udp" }, seen)
  end)

  it("sends nothing when its handler returns no string", function()
    local results <const> = { false, 5, {}, "at last" }
    local server <close> = serve(function(message) return results[tonumber(message)] end)
    local client <close> = client_of(server)
    for i = 1, 5 do client:send(i) end
    assert.equal("at last", (client:receive()))
    client.timeout = 0.01
    assert.equal("timeout", code_of(client:receive()))
  end)

  it("handles bursts in order", function()
    local server <close> = serve(function(message) return message end)
    local client <close> = client_of(server)
    for i = 1, 100 do assert.is_true(client:send(i)) end
    for i = 1, 100 do assert.equal(tostring(i), (client:receive())) end
  end)

  it("handles others while a handler waits", function()
    local gate <const> = task.channel(10)
    local server <close> = serve(function(message)
      if message == "slow" then gate:receive() end
      return message
    end)
    local client <close> = client_of(server)
    client:send "slow"
    client:send "quick"
    assert.equal("quick", (client:receive()))
    assert.equal(1, server.sockets[1].active)
    gate:send(true)
    assert.equal("slow", (client:receive()))
    assert.equal(0, server.sockets[1].active)
  end)

  it("runs no more handlers at once than max_tasks, and loses nothing by it", function()
    local gate <const> = task.channel(10)
    local peak, running = 0, 0
    local server <close> = serve(function(message)
      running = running + 1
      peak = math.max(peak, running)
      gate:receive()
      running = running - 1
      return message
    end, { max_tasks = 2 })
    local client <close> = client_of(server)
    for i = 1, 7 do client:send(i) end
    for i = 1, 7 do
      helper.eventually(function() return running == 2 or i == 7 end)
      gate:send(true)
      assert.is_string((client:receive()))
    end
    assert.same({ 2, 0 }, { peak, running })
  end)

  it("reports a handler's error and goes on", function()
    local failures <close> = helper.failures()
    local server <close> = serve(function(message) return message == "bad" and error "broken" or message end)
    local client <close> = client_of(server)
    client:send "bad"
    client:send "good"
    assert.equal("good", (client:receive()))
    assert.equal(1, #failures)
    assert.matches("datagram_serve_spec.lua:%d+: broken", failures[1])
  end)

  it("reports a reply that is too large, and still sends the next one", function()
    local failures <close> = helper.failures()
    local server <close> = serve(function(message) return ("x"):rep(tonumber(message)) end)
    local client <close> = client_of(server)
    client:send(65508)
    client:send(70000)
    client:send(3)
    assert.equal("xxx", (client:receive()))
    assert.equal(2, #failures)
    assert.matches("reply to udp://127.0.0.1:%d+: Message too long", failures[1])
  end)

  it("replies although something that was sent before could not go", function()
    local server <close> = serve(function(message, _, socket)
      if message == "bad" then socket:send("x", "udp://255.255.255.255:9") end -- not allowed without the option
      return message
    end)
    local client <close> = client_of(server)
    for _, message in ipairs { "bad", "good", "good" } do
      client:send(message)
      assert.equal(message, (client:receive()))
    end
  end)

  it("answers everybody when one of them has gone", function()
    local server <close> = serve(function(message) return message end)
    local gone <const> = client_of(server)
    local client <close> = client_of(server)
    for _ = 1, 3 do gone:send "x" end
    gone:close()
    for i = 1, 3 do
      client:send(i)
      assert.equal(tostring(i), (client:receive()))
    end
  end)

  it("may be closed by its handler, with datagrams waiting", function()
    local count = 0
    local server <const> = serve(function(_, _, socket)
      count = count + 1
      socket:close()
      collectgarbage()
      return "into nothing"
    end)
    local client <close> = client_of(server)
    for _ = 1, 50 do client:send "x" end
    helper.eventually(function() return not server.sockets[1].is_open end)
    task.sleep(0.005)
    assert.equal(1, count)
    server:close()
  end)

  it("lets its handlers end when it is closed", function()
    local gate <const>, ended = task.channel(1), false
    local server <const> = serve(function() gate:receive() ended = true return "too late" end)
    local client <close> = client_of(server)
    client:send "x"
    helper.eventually(function() return server.sockets[1].active == 1 end)
    server:close()
    collectgarbage()
    gate:send(true)
    helper.eventually(function() return ended end)
  end)

  it("cannot have its address twice", function()
    local server <close> = serve(print)
    local second <const>, message <const>, code <const> = net.serve(tostring(server.address), print)
    assert.same({ nil, "exists" }, { second, code })
    assert.matches("^open udp://127.0.0.1:%d+: Address already in use", message)
  end)

  it("serves IPv6", function()
    local server <const> = net.serve("udp://[::1]:0", function(message) return message end)
    if not server then return pending "this machine has no IPv6" end
    local client <close> = client_of(server)
    client:send(("x"):rep(65527))
    local message <const>, from <const> = client:receive()
    assert.same({ 65527, tostring(server.address), "::1" }, { #message, tostring(from), from.host })
    assert.equal("limit", code_of(client:send(("x"):rep(65528))))
    server:close()
  end)
end)
