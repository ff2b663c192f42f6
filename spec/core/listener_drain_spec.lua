local core <const> = require "core.listener"
local datagram <const> = require "core.datagram"
local descriptor <const> = require "core.descriptor"
local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local function connect(server)
  return assert(net.connect(tostring(server.address):gsub("^http:", "tcp:"), { timeout = 20 }))
end

local function ask(conn)
  conn:write "GET / HTTP/1.1\r\nHost: spec\r\n\r\n"
end

local function is_last(answer)
  return answer.head:find "\r\nConnection: close\r\n" ~= nil
end

--- An answer's head and body.
local function read_answer(conn)
  local head <const> = assert(conn:read_until "\r\n\r\n") .. "\r\n"
  return { head = head, body = conn:read(tonumber(head:match "Content%-Length: (%d+)")) }
end

describe("draining a listener", function()
  helper.leaves_nothing(before_each, after_each)

  it("accepts nothing any more, and lets its connections go on", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:pipe(conn) end))
    local conn <close> = connect(server)
    conn:write "before"
    assert.equal("before", conn:read(6))
    server:drain()
    assert.is_false(server.is_open)
    assert.is_nil(net.connect(tostring(server.address)))
    conn:write "after"
    assert.equal("after", conn:read(5))
    assert.equal(1, server:active())
    assert.same({ nil, "await the end of 1: timed out", "timeout" }, { server:await(0) })
    task.spawn(conn.close, conn)
    assert.is_true(server:await())
    assert.equal(0, server:active())
  end)

  it("tells clients of HTTP by their next answer", function()
    local server <close> = fixture.serve(function() return "answer" end)
    local conn <close> = connect(server)
    ask(conn)
    assert.is_false(is_last(read_answer(conn)))
    server:drain()
    ask(conn)
    local answer <const> = read_answer(conn)
    assert.is_true(is_last(answer))
    assert.same({ "answer", "" }, { answer.body, conn:read_all() })
    assert.is_true(server:await())
  end)

  it("lets an answer that is under way say it, and serves what was said to be kept", function()
    local go <const> = task.channel()
    local server <close> = fixture.serve(function() return go:receive() end)
    local conn <close> = connect(server)
    ask(conn)
    helper.eventually(function() return #go.receivers > 0 end)
    server:drain()
    go:send "late"
    local answer <const> = read_answer(conn)
    assert.same({ true, "late", "" }, { is_last(answer), answer.body, conn:read_all() })
  end)

  it("closes clients of HTTP that are silent, in an orderly way", function()
    local server <close> = fixture.serve(function() return "answer" end)
    local new <close>, kept <const> = connect(server), connect(server)
    ask(kept)
    read_answer(kept)
    server:drain(0.01)
    assert.same({ "", "" }, { new:read_all(), kept:read_all() })
    kept:close()
  end)

  it("may be ended by a close, which ends at once what is idle", function()
    local server <const> = fixture.serve(function() return "answer" end)
    local conn <close> = connect(server)
    ask(conn)
    read_answer(conn)
    server:drain(1000)
    server:close()
    assert.equal("", conn:read_all())
  end)

  it("answers the datagrams that have come, then closes the socket", function()
    local go <const> = task.channel()
    local server <const> = assert(net.serve("udp://127.0.0.1:0", function() return go:receive() end))
    local socket <close> = assert(net.udp(nil, { connect = tostring(server.address), timeout = 20 }))
    socket:send "a question"
    helper.eventually(function() return server:active() == 1 end)
    server:drain()
    assert.is_true(server.sockets[1].is_open)
    go:send "the answer"
    assert.equal("the answer", socket:receive())
    assert.is_true(server:await())
    assert.is_false(server.sockets[1].is_open)
  end)

  it("closes a datagram socket at once when nothing is under way", function()
    local socket <const> = assert(datagram.open(net.lookup("udp://127.0.0.1:0")[1]))
    socket:drain()
    assert.is_false(socket.is_open)
    socket:drain()
  end)
end)

describe("a paused listener", function()
  helper.leaves_nothing(before_each, after_each)

  it("leaves new clients in the kernel until it goes on", function()
    local accepted = 0
    local at <const> = net.lookup("tcp://127.0.0.1:0")[1]
    local listener <close> = assert(core.listen(at, function(conn)
      accepted = accepted + 1
      conn:write "served"
    end))
    listener:pause()
    local conn <close> = connect(listener)
    task.sleep(0)
    assert.equal(0, accepted)
    listener:pause(false)
    assert.equal("served", conn:read_all())
    assert.equal(1, accepted)
  end)
end)

describe("awaiting the end of connections", function()
  helper.leaves_nothing(before_each, after_each)

  it("waits until fewer than so many are left", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:read_all() end))
    local listener <const> = server.sockets[1]
    local clients <const> = { connect(server), connect(server), connect(server) }
    helper.eventually(function() return listener.active == 3 end)
    local ended <const> = {}
    for below = 1, 3 do
      task.spawn(function()
        assert(listener:await(below))
        ended[#ended + 1] = below
      end)
    end
    for count = 1, 3 do
      clients[count]:close()
      helper.eventually(function() return #ended == count end)
    end
    assert.same({ 3, 2, 1 }, ended)
  end)

  it("can be cancelled", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:read_all() end))
    local conn <close> = connect(server)
    helper.eventually(function() return server:active() == 1 end)
    local waiting <const> = task.spawn(server.await, server)
    task.sleep(0)
    waiting:cancel()
    assert.same({ nil, "cancelled" }, { waiting:join(), select(3, waiting:join()) })
    assert.is_true(conn.is_open)
  end)
end)

describe("the totals", function()
  helper.leaves_nothing(before_each, after_each)

  it("count clients, requests and datagrams since the start", function()
    local totals <const> = require "core.task".totals
    local before <const> = totals()
    local web <close> = fixture.serve(function() return "answer" end)
    local conn <close> = connect(web)
    for _ = 1, 3 do
      ask(conn)
      read_answer(conn)
    end
    local server <close> = assert(net.serve("udp://127.0.0.1:0", function(message) return message end))
    local socket <close> = assert(net.udp(nil, { connect = tostring(server.address), timeout = 20 }))
    socket:send "one"
    socket:receive()
    local after <const> = totals()
    assert.same({ 1, 3, 1 }, { after.accepted - before.accepted, after.requests - before.requests,
      after.datagrams - before.datagrams })
  end)
end)

describe("a descriptor of a connection", function()
  helper.leaves_nothing(before_each, after_each)

  it("keeps the socket when the connection is closed", function()
    local ours <const>, theirs <close> = net.pair()
    local socket <close> = assert(descriptor.of(ours))
    assert.is_false(ours.is_open)
    assert.equal("connection", socket.kind)
    local again <close> = assert(socket:connection())
    again:write "still there"
    assert.equal("still there", theirs:read(11))
  end)

  it("is not made when bytes would be lost", function()
    local ours <close>, theirs <const> = net.pair()
    ours.high_water = 1 << 24
    ours:write(("x"):rep(1 << 23)) -- more than the kernel takes
    local made <const>, message <const>, code <const> = descriptor.of(ours)
    assert.same({ "nil", "protocol" }, { type(made), code })
    assert.truthy(message:find "bytes are pending or queued, and would be lost")
    assert.is_true(ours.is_open)
    theirs:abort()
    ours:abort()
  end)

  it("is not made of one that is closed", function()
    local ours <const>, theirs <close> = net.pair()
    ours:close()
    assert.equal("closed", select(3, descriptor.of(ours)))
    assert.is_true(theirs.is_open)
  end)
end)

describe("receive_fd with raw", function()
  helper.leaves_nothing(before_each, after_each)

  it("gives a descriptor, whatever it is", function()
    local ours <close>, theirs <const> = net.pair()
    local udp <close> = assert(net.udp())
    local tcp <close> = assert(net.serve("tcp://127.0.0.1:0", print))
    for kind, object in pairs { datagram = udp, listener = tcp.sockets[1], file = io.tmpfile() } do
      ours:send_fd(object)
      local received <close> = assert(theirs:receive_fd { raw = true })
      assert.equal(kind, received.kind)
      if kind == "file" then object:close() end
    end
    assert.has_error(function() theirs:receive_fd { raw = true, unread = true } end)
    theirs:close()
  end)
end)
