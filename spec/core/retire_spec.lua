local core <const> = require "core.task"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local listener <const> = require "core.listener"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"
local websocket <const> = require "perigee.websocket"

local WHY <const> = "no more is awaited from the peer"

--- A server's connection and its client's.
local function connected()
  local got <const> = task.channel(1)
  local server <const> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
    got:send(conn)
    conn.timeout = 60
    while conn.is_open do task.sleep(0.001) end
  end))
  local client <const> = assert(net.connect(server.address))
  local conn <const> = got:receive()
  return setmetatable({}, { __close = function()
    client:close()
    conn:close()
    server:close()
  end }), conn, client, server
end

describe("a connection that retires", function()
  helper.leaves_nothing(before_each, after_each)

  it("reads what has come, and does not wait for more", function()
    local _ <close>, conn <const>, client <const> = connected()
    client:write "one\ntwo\n"
    assert.equal("one", conn:read_line())
    client:write "three\n"
    client:flush()
    conn:retire()
    assert.is_true(conn.is_retiring)
    assert.same({ "two", "three" }, { conn:read_line(), conn:read_line() })
    for _ = 1, 2 do
      local line <const>, message <const>, code <const> = conn:read_line()
      assert.same({ "nil", "closed" }, { tostring(line), code })
      assert.matches(WHY, message)
    end
    assert.is_true(conn.is_open)
  end)

  it("waits for the rest of what has begun", function()
    local _ <close>, conn <const>, client <const> = connected()
    client:write "begun"
    local line
    task.group(function(group)
      group:spawn(function() line = conn:read_line() end)
      helper.eventually(function() return not conn.is_quiet end)
      conn:retire()
      client:write ", ended\n"
    end)
    assert.equal("begun, ended", line)
  end)

  it("wakes who waits already", function()
    local _ <close>, conn <const> = connected()
    local code
    task.group(function(group)
      group:spawn(function() code = select(3, conn:read_some()) end)
      task.sleep(0)
      conn:retire()
    end)
    assert.equal("closed", code)
  end)

  it("may be as it was again", function()
    local _ <close>, conn <const>, client <const> = connected()
    conn:retire()
    assert.is_nil((conn:read(1)))
    conn:retire(false)
    assert.is_false(conn.is_retiring)
    task.group(function(group)
      group:spawn(function() client:write "x" end)
      assert.equal("x", conn:read(1))
    end)
  end)

  it("says the end of the stream, and what is wrong with it, as ever", function()
    local _ <close>, conn <const>, client <const> = connected()
    client:write "last"
    client:shutdown()
    helper.eventually(function() return client.queued == 0 end)
    conn:retire()
    assert.equal("last", conn:read_all())
    assert.matches("closed by the peer", select(2, conn:read(1)))
  end)

  it("knows what has come without asking the kernel", function()
    local _ <close>, conn <const>, client <const> = connected()
    client:write "a"
    conn:read(1)
    assert.equal(not helper.is_tiny, conn.is_quiet) -- a read that was full leaves it open
    client:write "b"
    helper.eventually(function() return not conn.is_quiet end)
    assert.equal("b", conn:read(1))
  end)

  it("knows the end of the stream without asking the kernel", function()
    local _ <close>, conn <const>, client <const> = connected()
    client:write "a"
    conn:read(1)
    client:close()
    helper.eventually(function() return not conn.is_quiet end)
    assert.is_nil((conn:read(1)))
    assert.is_false(conn.is_quiet)
  end)

  it("is what the scope of its task does to those who have asked for it", function()
    local codes <const> = {}
    local scope <const> = core.scope()
    local server
    scope:enter(function()
      server = assert(net.serve("tcp://127.0.0.1:0", function(conn)
        local asks <const> = conn:read(1) == "r"
        if asks then conn:retire_at_stop() end
        local code <const> = select(3, conn:read(1)) or "read"
        codes[#codes + 1] = code
      end))
    end):join()
    local one <close> = assert(net.connect(server.address))
    local two <close> = assert(net.connect(server.address))
    one:write "r"
    two:write "x"
    helper.eventually(function() return scope:serving() == 2 end)
    for _ = 1, 5 do task.sleep(0) end
    scope:retire(false)
    task.sleep(0)
    assert.same({}, codes)
    scope:retire()
    scope:retire()
    helper.eventually(function() return #codes == 1 end)
    assert.equal("closed", codes[1])
    two:write "x"
    helper.eventually(function() return #codes == 2 end)
    assert.equal("read", codes[2])
    server:close()
    scope:join()
  end)
end)

describe("a WebSocket whose handler finishes", function()
  helper.leaves_nothing(before_each, after_each)

  local function serve(handler, options)
    local app <const> = http.app()
    app:websocket("/", handler, options)
    local server <const> = assert(http.serve("http://127.0.0.1:0", app))
    return server, assert(websocket.connect(("ws://127.0.0.1:%d/"):format(server.address.port), { timeout = 20 }))
  end

  it("receives what has come, sends what it has to, and is closed with 1001", function()
    local why, socket_of
    local server <close>, client <const> = serve(function(socket)
      socket_of = socket
      for text in socket:messages() do socket:send("echo " .. text) end
      why = table.pack(socket:receive())
      socket:send "goodbye"
    end, { finish = true })
    local socket <close> = client
    socket:send "one"
    assert.equal("echo one", socket:receive())
    socket:send "two"
    helper.eventually(function() return socket.queued == 0 end)
    socket_of:retire()
    assert.is_true(socket_of.is_retiring)
    assert.equal("echo two", (socket:receive()))
    assert.equal("goodbye", (socket:receive()))
    assert.is_nil((socket:receive()))
    assert.equal(1001, socket.close_code)
    assert.same({ "nil", "closed" }, { tostring(why[1]), why[3] })
    assert.matches(WHY, why[2])
    assert.equal(0, server:active())
  end)

  it("is an option of app:websocket, true or false", function()
    assert.error_matches(function() http.app():websocket("/", print, { finish = 1 }) end, "finish")
  end)
end)

describe("the handler of a listener", function()
  helper.leaves_nothing(before_each, after_each)

  it("is known of its connections until it closes", function()
    local _ <close>, conn <const>, client <const>, server <const> = connected()
    assert.equal(server.endpoints[1].protocol.handler, listener.handler_of(conn))
    assert.is_nil(listener.handler_of(client))
    server:close()
    assert.is_nil(listener.handler_of(conn))
    assert.error_matches(function() listener.handler_of(server) end, "a connection or WebSocket expected")
    assert.error_matches(function() core.scope():take(1) end, "a connection or WebSocket expected")
    assert.is_false(core.scope():take(client))
  end)
end)
